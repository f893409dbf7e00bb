import { lazy, Suspense } from "react";
import { Route, Switch } from "wouter";
import { Waiting } from "../shared/Waiting.tsx";

const Shop = lazy(() => import("../checkout/Shop.tsx"));
const Console = lazy(() => import("../console/Console.tsx"));

/** The two sides of the counter: each loads only its own code. */
export function App() {
  return (
    <Suspense fallback={<Waiting />}>
      <Switch>
        <Route path="/demo/*?">
          <Shop />
        </Route>
        <Route path="/console/*?">
          <Console />
        </Route>
      </Switch>
    </Suspense>
  );
}
