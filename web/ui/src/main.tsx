import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { lookAtSession } from "./api/session.ts";
import { App } from "./app/App.tsx";
import { LanguageProvider } from "./shared/language.tsx";
import { applyTheme, storedTheme } from "./shared/theme.ts";
import "./app/style.css";

applyTheme(storedTheme());
const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: (error, query) => lookAtSession(queries, error, query) }),
  // Reading is tried again for as long as the page is open; a write never is, except by its user.
  defaultOptions: { queries: { retry: false, staleTime: 500 }, mutations: { retry: false } },
});

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <LanguageProvider>
        <App />
      </LanguageProvider>
    </QueryClientProvider>
  </StrictMode>,
);
