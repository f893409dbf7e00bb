// Storage can be full, or forbidden by the browser: the pages work without it, only forgetfully.

export function kept(storage: Storage, name: string): unknown {
  try {
    return JSON.parse(storage.getItem(name) ?? "null");
  } catch {
    return null;
  }
}

export function keep(storage: Storage, name: string, value: unknown): void {
  try {
    storage.setItem(name, JSON.stringify(value));
  } catch {
    // forgetful, see above
  }
}

export function drop(storage: Storage, name: string): void {
  try {
    storage.removeItem(name);
  } catch {
    // forgetful, see above
  }
}
