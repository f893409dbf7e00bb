export type Call = {
  id: number;
  at: number;
  took_ms: number;
  caller: "shop" | "client" | "customer" | "strada";
  called: "strada" | "gateway";
  method: string;
  url: string;
  authorization: string | null;
  idempotency_key: string | null;
  request: string | null;
  status: number | null;
  response: string | null;
  location: string | null;
};

/** The call as a shell command; its secrets are masked already. */
export function curl(call: Call): string {
  const parts = ["curl", "-i", "-X", call.method, quoted(call.url)];
  if (call.authorization) parts.push("-H", quoted(`Authorization: ${call.authorization}`));
  if (call.idempotency_key) parts.push("-H", quoted(`Idempotency-Key: ${call.idempotency_key}`));
  if (call.request) parts.push("-H", quoted("Content-Type: application/json"), "-d", quoted(call.request));
  return parts.join(" ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
