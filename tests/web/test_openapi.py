"""The served document: valid, complete, true of every answer, and readable without a network."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from contract import disagreements, faults, path_of, pointer, served
from house import LOST, lost_after, lost_before
from openapi_spec_validator import OpenAPIV31SpecValidator
from storefront import Site
from werkzeug.test import TestResponse

from engine import chart, entry
from engine.guards import GUARDS
from engine.provider import NotTaken, Refused, Unknown
from web.auth import CLIENT_EVENTS
from web.openapi.refusals import CARRIES, MEMBERS, name_of
from web.problem_texts import CATALOGUE
from web.rate_limit import Rate, RateLimit

FILES = {"static", "reference.static"}
PAGES = {"ui", "console"}
"""The web UI and its session: not the API, and promised to nobody."""
"""Endpoints that serve files to our own pages, and no client."""
OPEN = {"/components/schemas/OpenApi", "/components/schemas/Transaction/properties/metadata"}
OPEN |= {"/components/schemas/CreateTransaction/properties/metadata"}
"""Objects whose names are the caller's, and the document itself."""


def operations() -> dict[str, dict[str, Any]]:
    """Each operation by its id, with its method and path."""
    return {
        operation["operationId"]: operation | {"method": method, "path": path}
        for path, item in served()["paths"].items()
        for method, operation in item.items()
    }


def schemas() -> dict[str, Any]:
    found: dict[str, Any] = served()["components"]["schemas"]
    return found


def nodes(value: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document with its JSON pointer; examples are not part of it."""
    if isinstance(value, dict):
        yield place, value
        for key, inner in value.items():
            if key not in ("example", "examples"):
                yield from nodes(inner, place + pointer(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from nodes(inner, f"{place}/{index}")


# ---- the document by itself


def test_the_document_is_valid() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(served()).iter_errors()] == []
    assert served()["openapi"].startswith("3.1.")


def test_every_object_is_closed() -> None:
    objects = {p: n for p, n in nodes(served()) if n.get("type") == "object"}
    assert len(objects) > 60
    assert {p for p, n in objects.items() if n.get("additionalProperties") is not False} == OPEN


def test_every_reference_leads_somewhere() -> None:
    for place, node in nodes(served()):
        target: Any = served()
        for key in str(node.get("$ref", "#")).split("/")[1:]:
            assert key in target, (place, node["$ref"])
            target = target[key]


def test_every_schema_is_used() -> None:
    text = json.dumps(served())
    unused = [name for name in schemas() if f'"#/components/schemas/{name}"' not in text]
    assert unused == ["Problem"]  # for clients that want one name for any of them


def test_operations_have_the_names_that_clients_are_made_from() -> None:
    assert (
        list(operations())
        == (
            "createTransaction listTransactions getTransaction readyTransaction approveTransaction "
            "completeTransaction cancelTransaction failTransaction refundTransaction "
            "updateTransactionStatus listTransitions getChart getChartVersion returnFromGateway "
            "explainProblem isAlive isReady getOpenApi showDocs getCheckpoint proveInclusion "
            "proveConsistency exportBook listEvents listJournal"
        ).split()
    )


# ---- the document and the code


def routes(site: Site) -> set[tuple[str, str]]:
    """Method and path of every route; HEAD and OPTIONS are HTTP's own."""
    found = set()
    for rule in site.app.url_map.iter_rules():
        if rule.endpoint in FILES or rule.endpoint.split(".")[0] in PAGES:
            continue
        path = re.sub(r"<(?:any\([^)]*\):)?(\w+)>", r"{\1}", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            events = list(chart.EVENT_OF_HTTP) if "{event}" in path else [""]
            found |= {(method.lower(), path.replace("{event}", event)) for event in events}
    return found


def test_every_route_is_documented_and_no_other(site: Site) -> None:
    assert {(o["method"], o["path"]) for o in operations().values()} == routes(site)


def test_words_are_those_of_the_chart_and_the_log() -> None:
    enums = {name: schema["enum"] for name, schema in schemas().items() if "enum" in schema}
    assert enums == {
        "Status": list(chart.STATES),
        "Event": list(chart.HTTP_NAMES.values()),
        "Guard": list(GUARDS),
    }
    log = schemas()["Entry"]["properties"]
    assert set(log) == {*entry.KEYS, "hash"}
    known = {*entry.TRANSITION_DATA, *entry.EVIDENCE_EVENTS, *entry.NOTE_DATA}
    assert (set(log["event"]["enum"]), log["kind"]["enum"]) == (known, list(entry.KINDS))


def test_every_problem_is_in_some_answer_under_its_status() -> None:
    found = set()
    for operation in operations().values():
        for status, response in operation["responses"].items():
            schema = response.get("content", {}).get("application/problem+json", {}).get("schema")
            for one in (schema or {}).get("oneOf", [schema] if schema else []):
                found.add((one["$ref"].rpartition("/")[2], int(status)))
    assert found == {(name_of(code), kind.status) for code, kind in CATALOGUE.items()}


def test_a_client_secret_is_offered_where_it_is_taken() -> None:
    offered = {id for id, o in operations().items() if {"clientSecret": []} in o["security"]}
    fires = {f"{event}Transaction" for event in CLIENT_EVENTS}
    assert offered == fires | {"getTransaction", "updateTransactionStatus"}


def test_members_of_problems_are_listed_once() -> None:
    carried = {name for pair in CARRIES.values() for part in pair for name in part.split()}
    assert (carried, set(CARRIES) - set(CATALOGUE)) == (set(MEMBERS), set())


@pytest.mark.parametrize("name", list(schemas()))
def test_examples_of_schemas_are_true(name: str) -> None:
    for place, node in nodes(schemas()[name], pointer("components", "schemas", name)):
        for example in node.get("examples", []) if "properties" in node or "type" in node else []:
            assert faults(place, example) == []


@pytest.mark.parametrize("name", [id for id, o in operations().items() if "requestBody" in o])
def test_examples_of_bodies_are_true(name: str) -> None:
    operation = operations()[name]
    place = pointer(
        "paths",
        operation["path"],
        operation["method"],
        "requestBody",
        "content",
        "application/json",
    )
    for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
        assert faults(f"{place}/schema", example["value"]) == []


# ---- the answers: the site's client fails on any that is not documented

Walk = Callable[[Site], TestResponse]


def _in(site: Site, state: str) -> str:
    """A payment in one of the states that walks begin in."""
    begin = {"created": site.house.create, "ready": site.house.ready}
    return begin.get(state, site.house.approved)()


def _fire(event: str, state: str = "created", body: Any = None, **more: Any) -> Walk:
    return lambda site: site.fire(_in(site, state), event, body, **more)


def _get(path: str, **headers: str) -> Walk:
    def walk(site: Site) -> TestResponse:
        sent = {"Authorization": f"Bearer {site.key}"} | headers
        return site.client.get(path.replace("{transaction}", site.house.approved()), headers=sent)

    return walk


def _create(**changes: Any) -> Walk:
    return lambda site: site.call("POST", "/transactions", site.order(**changes))


def _told(verb: str, outcome: Any, event: str, state: str) -> Walk:
    """Fire an event whose call at the gateway ends like this."""

    def walk(site: Site) -> TestResponse:
        txn = _in(site, state)
        site.house.gateway.script[verb] = [outcome]
        return site.fire(txn, event)

    return walk


def _twice(walk: Walk) -> Walk:
    def again(site: Site) -> TestResponse:
        walk(site)
        return walk(site)

    return again


def _put_status(site: Site) -> TestResponse:
    return site.call(
        "PUT", f"/transactions/{site.house.ready()}/status", {"status": "cancelled", "reason": "x"}
    )


def _returned(leg: str, **changes: Any) -> Walk:
    def walk(site: Site) -> TestResponse:
        site.fire(site.create(**changes)["id"], "ready")
        return site.client.get(f"/return/{site.house.tokens[-1]}/{leg}?pg_token=pg-1")

    return walk


def _gone(site: Site) -> TestResponse:
    txn = site.create()["id"]
    site.fire(txn, "ready")
    site.fire(txn, "cancel")
    site.house.time.advance(86_401)
    return site.client.get(f"/return/{site.house.tokens[-1]}/approved")


def _without_tables(walk: Walk) -> Walk:
    """The same walk while the database cannot be read."""

    def broken(site: Site) -> TestResponse:
        with site.house.store.write():
            site.house.store.execute("ALTER TABLE transactions RENAME TO away")
        try:
            return walk(site)
        finally:
            with site.house.store.write():
                site.house.store.execute("ALTER TABLE away RENAME TO transactions")

    return broken


def _raw(method: str, path: str, data: bytes = b"", **headers: str) -> Walk:
    """A request as it is, with a good key."""

    def walk(site: Site) -> TestResponse:
        sent = {"Authorization": f"Bearer {site.key}"} | headers
        sent = {name.replace("_", "-"): value for name, value in sent.items()}
        return site.client.open(path, method=method, data=data, headers=sent)

    return walk


def _audited(path: str) -> Walk:
    """A reading call of an auditor, about an approved payment."""

    def walk(site: Site) -> TestResponse:
        asked = path.replace("{transaction}", site.house.approved())
        return site.call("GET", f"/audit/{asked}", key=site.auditor)

    return walk


def _set_back(site: Site) -> TestResponse:
    """A write while what is kept outside cannot be trusted, which is put right afterwards."""
    kept = site.house.audit.kept
    kept.write("nothing that was signed")
    site.house.audit.rollback.trip()
    answer = site.call("POST", "/transactions", site.order())
    kept.path.unlink()
    return answer


def _unready(site: Site) -> TestResponse:
    site.app.config["WORKER_INSIDE"] = True
    site.strada.worker.last_round_at = site.house.time.now
    site.house.time.advance(3_600)
    return site.client.get("/readyz")


ANSWERS: Mapping[str, tuple[str, int, Walk]] = {
    "create": ("createTransaction", 201, _create(metadata={"a": "b"}, vat_amount=0)),
    "list": ("listTransactions", 200, _get("/v1/transactions?limit=1&status=approved")),
    "csv": ("listTransactions", 200, _get("/v1/transactions", Accept="text/csv")),
    "get": ("getTransaction", 200, _get("/v1/transactions/{transaction}")),
    "get then": ("getTransaction", 200, _get("/v1/transactions/{transaction}?at_seq=1")),
    "ready": ("readyTransaction", 200, _fire("ready")),
    "approve": ("approveTransaction", 200, _fire("approve", "ready")),
    "decline": (
        "approveTransaction",
        200,
        _told("approve", Refused(b"no", "declined", "-780", "no"), "approve", "ready"),
    ),
    "approve unknown": (
        "approveTransaction",
        202,
        _told("approve", lost_after, "approve", "ready"),
    ),
    "complete": ("completeTransaction", 200, _fire("complete", "approved", {"reason": "x"})),
    "cancel": ("cancelTransaction", 200, _fire("cancel", "ready")),
    "fail": ("failTransaction", 200, _fire("fail", "ready")),
    "refund": ("refundTransaction", 200, _fire("refund", "approved", {"amount": 1_000})),
    "refund unknown": (
        "refundTransaction",
        202,
        _told("refund", lost_before, "refund", "approved"),
    ),
    "dry run": (
        "refundTransaction",
        200,
        _fire("refund?dry_run=true", "approved", {"amount": 99_999}),
    ),
    "status": ("updateTransactionStatus", 200, _put_status),
    "log": ("listTransitions", 200, _get("/v1/transactions/{transaction}/transitions?limit=3")),
    "chart": ("getChart", 200, _get("/v1/chart")),
    "mermaid": ("getChart", 200, _get("/v1/chart", Accept="text/vnd.mermaid")),
    "svg": ("getChart", 200, _get("/v1/chart", Accept="image/svg+xml")),
    "old chart": ("getChartVersion", 200, _get(f"/v1/chart/{chart.VERSION}")),
    "return": ("returnFromGateway", 200, _returned("approved")),
    "send on": ("returnFromGateway", 303, _returned("failed", return_url="https://shop.example/")),
    "return refused": ("returnFromGateway", 400, _raw("GET", "/return/x/approved?pg_token=")),
    "return unknown": ("returnFromGateway", 404, _get("/return/nobody/approved")),
    "return gone": ("returnFromGateway", 410, _gone),
    "return later": ("returnFromGateway", 503, _without_tables(_raw("GET", "/return/x/approved"))),
    "head": ("getCheckpoint", 200, _audited("checkpoint")),
    "proof": ("proveInclusion", 200, _audited("proof/{transaction}/2")),
    "growth": ("proveConsistency", 200, _audited("consistency?from=1")),
    "export": ("exportBook", 200, _audited("export")),
    "journal": ("listJournal", 200, _get("/v1/transactions/{transaction}/journal")),
    "feed": ("listEvents", 200, _get("/v1/events?limit=3")),
    "problem": ("explainProblem", 200, _get("/problems/not_found")),
    "no problem": ("explainProblem", 404, _get("/problems/nothing")),
    "alive": ("isAlive", 200, _get("/healthz")),
    "able": ("isReady", 200, _get("/readyz")),
    "unable": ("isReady", 503, _unready),
    "document": ("getOpenApi", 200, _get("/openapi.json")),
    "docs": ("showDocs", 200, _get("/docs")),
}


@pytest.mark.parametrize("name", list(ANSWERS))
def test_what_succeeds_is_answered_as_documented(site: Site, name: str) -> None:
    operation, status, walk = ANSWERS[name]
    answer = walk(site)
    assert answer.status_code == status, answer.text
    path = path_of(answer.request.method, answer.request.path)
    assert path == operations()[operation]["path"]


def test_every_answer_that_is_no_problem_is_walked_through() -> None:
    walked = {(operation, status) for operation, status, _ in ANSWERS.values()}
    documented = {
        (name, int(status))
        for name, operation in operations().items()
        for status, response in operation["responses"].items()
        if set(response["content"]) != {"application/problem+json"}
    }
    assert documented - walked == {("updateTransactionStatus", 202)}  # a race of two reports


def _paid_order(site: Site) -> TestResponse:
    txn = site.house.approved(order_id="paid-1")
    assert site.house.status(txn) == "approved"
    return site.call("POST", "/transactions", site.order(order_id="paid-1"))


def _same_key(*bodies: Any, event: str = "refund", state: str = "approved") -> Walk:
    def walk(site: Site) -> TestResponse:
        txn = _in(site, state)
        answers = [site.fire(txn, event, body, Idempotency_Key="key-0001") for body in bodies]
        return answers[-1]

    return walk


def _in_flight(site: Site) -> TestResponse:
    """The same request once more, while the gateway is still being asked."""
    txn = site.house.approved()
    repeats: list[TestResponse] = []

    def repeat(honest: Callable[[], Any]) -> Any:
        repeats.append(site.fire(txn, "refund", {}, Idempotency_Key="key-0001"))
        return honest()

    site.house.gateway.script["refund"] = [repeat]
    site.fire(txn, "refund", {}, Idempotency_Key="key-0001")
    return repeats[0]


def _too_often(site: Site) -> TestResponse:
    site.app.extensions["handlers"].limit = RateLimit(Rate(1, 60), site.strada.clock.monotonic)
    return _twice(_get("/v1/transactions"))(site)


def _defect(site: Site) -> TestResponse:
    del site.app.extensions["handlers"].limit
    return site.call("GET", "/transactions")


def _while_open(site: Site) -> TestResponse:
    txn = site.house.approved()
    site.house.gateway.script["refund"] = [lost_before]
    site.fire(txn, "refund", {"amount": 1})
    return site.fire(txn, "complete")


NOT_TAKEN = NotTaken(b"no", "wrong_token", "-708", "")
REFUSALS: Mapping[str, Walk] = {
    "malformed_json": _raw("POST", "/v1/transactions", b"{", Content_Type="application/json"),
    "idempotency_key_required": lambda site: site.call(
        "POST", f"/transactions/{site.house.approved()}/refund"
    ),
    "invalid_header": _fire("cancel", If_Match="1"),
    "unauthenticated": _raw("GET", "/v1/transactions", Authorization="Bearer nobody"),
    "insufficient_scope": lambda site: site.fire(site.house.ready(), "cancel", key=site.auditor),
    "not_found": _raw("GET", "/v1/transactions/txn_x"),
    "unknown_event": _fire("expire"),
    "method_not_allowed": _raw("DELETE", "/v1/transactions"),
    "idempotency_in_flight": _in_flight,
    "version_mismatch": _fire("cancel", If_Match='"99"'),
    "body_too_large": _raw(
        "POST", "/v1/transactions", b" " * 70_000, Content_Type="application/json"
    ),
    "unsupported_media_type": _raw("POST", "/v1/transactions", b"a=1", Content_Type="text/plain"),
    "invalid_request": _create(amount="100", surprise=1),
    "idempotency_key_reused": _same_key({"amount": 1}, {"amount": 2}),
    "rate_limited": _too_often,
    "internal_error": _defect,
    "illegal_transition": _fire("complete"),
    "operation_in_flight": _while_open,
    "approval_not_taken": _told("approve", NOT_TAKEN, "approve", "ready"),
    "order_in_progress": _twice(_create(order_id="order-1")),
    "order_already_paid": _paid_order,
    "guard_refused": _fire("refund", "approved", {"amount": 99_999}),
    "tax_free_amount_required": lambda site: site.fire(
        site.house.approved(tax_free_amount=1_000), "refund", {"amount": 500}
    ),
    "unsupported_by_provider": _create(currency="USD"),
    "gateway_surprise": _told("prepare", Refused(b"no", "odd", "-1", ""), "ready", "created"),
    "gateway_unavailable": _told("prepare", Unknown(b"", "not_sent", ""), "ready", "created"),
    "storage_unavailable": _without_tables(_raw("GET", "/v1/transactions")),
    "log_behind_checkpoint": _set_back,
    "gateway_timeout": _told("prepare", LOST, "ready", "created"),
}


@pytest.mark.parametrize("code", list(CATALOGUE))
def test_each_problem_is_provoked_and_as_documented(site: Site, code: str) -> None:
    answer = REFUSALS[code](site)
    problem = json.loads(answer.data)
    assert (answer.status_code, problem["code"]) == (CATALOGUE[code].status, code)
    assert faults(pointer("components", "schemas", name_of(code)), problem) == []


@pytest.mark.parametrize(
    ("event", "body"),
    [("ready", {}), ("approve", {}), ("cancel", None), ("status", {"status": "approved"})],
)
def test_reports_are_answered_as_documented(site: Site, event: str, body: Any) -> None:
    made = site.create(flow="reported", customer_id="user-7")
    url = f"/transactions/{made['id']}/{event}"
    method = "PUT" if event == "status" else "POST"
    for reference in ({}, {"provider_ref": "T-nobody"}):
        answer = site.call(method, url, None if body is None else body | reference)
        assert answer.status_code in (200, 409, 422)


def test_a_replayed_refusal_is_as_documented(site: Site) -> None:
    answer = _same_key(None, None, event="complete", state="created")(site)
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (409, "true")


@pytest.mark.parametrize("outcome", [NOT_TAKEN, None])
def test_a_client_secret_sees_no_customer_in_any_answer(site: Site, outcome: Any) -> None:
    made = site.create(metadata={"cart": "c-9"})
    site.fire(made["id"], "ready")
    if outcome is not None:
        site.house.gateway.script["approve"] = [outcome]
    answer = site.fire(made["id"], "approve", key=made["client_secret"])
    seen = answer.get_json()
    seen = seen.get("transaction", seen)
    assert seen["object"] == "transaction"
    assert not {"metadata", "customer_id", "gateway_params"} & set(seen)


@pytest.mark.parametrize("version", ["9" * 15, "9" * 16, "9" * 17])
def test_a_version_beyond_all_versions_is_no_defect(site: Site, version: str) -> None:
    answer = site.fire(site.house.ready(), "cancel", If_Match=f'"{version}"')
    assert answer.status_code == (412 if len(version) < 16 else 400)


@pytest.mark.parametrize("name", [i for i, o in operations().items() if o["security"]])
def test_what_asks_for_a_key_answers_nobody_else(site: Site, name: str) -> None:
    operation = operations()[name]
    path = operation["path"].replace("{transaction}", site.house.approved())
    path = path.replace("{seq}", "1")
    for token in ({}, {"Authorization": "Bearer sk_test_" + "a" * 52}):
        answer = site.client.open(path, method=operation["method"].upper(), headers=token)
        assert answer.status_code == 401


@pytest.mark.parametrize("event", list(chart.EVENT_OF_HTTP))
def test_a_dry_run_reads_its_body_as_strictly(site: Site, event: str) -> None:
    answer = site.fire(site.house.ready(), f"{event}?dry_run=true", {"surprise": 1})
    assert answer.status_code == 422


def test_the_client_notices_what_is_not_documented(site: Site) -> None:
    answer = site.call("GET", "/transactions")
    answer.status_code = 418
    assert disagreements("GET", "/v1/transactions", answer)
    answer.status_code = 200
    answer.data = json.dumps(answer.get_json() | {"surprise": 1}).encode()
    assert disagreements("GET", "/v1/transactions", answer)


# ---- the page


def test_the_page_needs_only_our_own_files(site: Site) -> None:
    page = site.client.get("/docs")
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(loaded) == 4
    for url in loaded:
        with site.client.get(url) as file:
            assert file.status_code == 200
            assert len(file.data) > 100
    assert "<script>" not in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
