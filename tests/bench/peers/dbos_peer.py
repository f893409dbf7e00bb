"""The same job by DBOS: a workflow for each call, its one step a transaction of the datasource.

The step and the workflow's own record are durable before the answer. On SQLite (WAL, FULL) or on
PostgreSQL, as PEER_DATABASE says. Served by uvicorn and FastAPI, as its documentation does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, SQLAlchemyDatasource
from fastapi import FastAPI, HTTPException

FOLDER = Path(os.environ["PEER_FOLDER"])
URL = os.environ.get("PEER_DATABASE")
EDGES = {
    ("created", "ready"): "prepared",
    ("prepared", "approve"): "approved",
    ("approved", "complete"): "completed",
}


def address(name: str) -> str:
    """A database of this name; one on SQLite keeps a write-ahead log from its beginning."""
    if URL is not None:
        return f"{URL}/{name}"
    url = f"sqlite:///{FOLDER / name}.sqlite"
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    engine.dispose()
    return url


app = FastAPI()
data = sa.MetaData()
payments = sa.Table(
    "payments",
    data,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("item_name", sa.String, nullable=False),
)
entries = sa.Table(
    "entries",
    data,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("payment", sa.ForeignKey("payments.id"), nullable=False),
    sa.Column("event", sa.String, nullable=False),
    sa.Column("source", sa.String),
    sa.Column("target", sa.String, nullable=False),
)
DBOS(config={"name": "peer", "system_database_url": address("workflows"), "log_level": "ERROR"})
source = SQLAlchemyDatasource.create(address("payments"))


@source.transaction()
def insert(asked: dict[str, Any]) -> None:
    session = source.sql_session()
    session.execute(payments.insert().values(status="created", **asked))
    session.execute(entries.insert().values(payment=asked["id"], event="create", target="created"))


@source.transaction()
def advance(key: str, event: str) -> str | None:
    session = source.sql_session()
    status = session.scalar(
        sa.select(payments.c.status).where(payments.c.id == key).with_for_update()
    )
    target = EDGES.get((status or "", event))
    if target is not None:
        session.execute(payments.update().where(payments.c.id == key).values(status=target))
        session.execute(
            entries.insert().values(payment=key, event=event, source=status, target=target)
        )
    return target


@DBOS.workflow()
def create_payment(asked: dict[str, Any]) -> None:
    insert(asked)


@DBOS.workflow()
def fire_event(key: str, event: str) -> str | None:
    return advance(key, event)


@app.post("/payments", status_code=201)
def create(asked: dict[str, Any]) -> dict[str, Any]:
    create_payment({name: asked[name] for name in ("id", "amount", "item_name")})
    return {"id": asked["id"], "status": "created"}


@app.post("/payments/{key}/{event}")
def fire(key: str, event: str) -> dict[str, Any]:
    target = fire_event(key, event)
    if target is None:
        raise HTTPException(409, "illegal")
    return {"id": key, "status": target}


def prepare() -> None:
    """Make the tables."""
    data.create_all(source.engine)


if os.environ.get("PEER_SERVES"):
    DBOS.launch()
