"""The job as it is often done: Flask, Peewee models, python-statemachine, SQLite; no frills.

A connection for each request, as Peewee's documentation shows for Flask; the row and its log entry
in one transaction. Served by gunicorn.
"""

from __future__ import annotations

import os
from pathlib import Path

import peewee
from flask import Flask, Response, jsonify, request
from statemachine import State, StateMachine
from statemachine.exceptions import TransitionNotAllowed

database = peewee.SqliteDatabase(
    str(Path(os.environ["PEER_FOLDER"]) / "naive.db"),
    pragmas={"journal_mode": "wal", "synchronous": 2},
    timeout=30,
)


class Payment(peewee.Model):
    id = peewee.CharField(primary_key=True)
    status = peewee.CharField(default="created")
    amount = peewee.IntegerField()
    item_name = peewee.CharField()

    class Meta:
        database = database


class Entry(peewee.Model):
    payment = peewee.ForeignKeyField(Payment)
    event = peewee.CharField()
    source = peewee.CharField(null=True)
    target = peewee.CharField()

    class Meta:
        database = database


class Chart(StateMachine):
    created = State(initial=True)
    prepared = State()
    approved = State()
    completed = State(final=True)

    ready = created.to(prepared)
    approve = prepared.to(approved)
    complete = approved.to(completed)


app = Flask(__name__)


@app.before_request
def connect() -> None:
    database.connect()


@app.teardown_request
def disconnect(error: BaseException | None) -> None:
    if not database.is_closed():
        database.close()


@app.post("/payments")
def create() -> tuple[Response, int]:
    asked = request.get_json()
    with database.atomic("IMMEDIATE"):
        payment = Payment.create(
            id=asked["id"], amount=asked["amount"], item_name=asked["item_name"]
        )
        Entry.create(payment=payment, event="create", target=payment.status)
    return jsonify(id=payment.id, status=payment.status), 201


@app.post("/payments/<key>/<event>")
def fire(key: str, event: str) -> tuple[Response, int]:
    if event not in ("ready", "approve", "complete"):
        return jsonify(error="unknown event"), 404
    with database.atomic("IMMEDIATE"):
        payment = Payment.get_or_none(Payment.id == key)
        if payment is None:
            return jsonify(error="no such payment"), 404
        source = payment.status
        try:
            Chart(payment, state_field="status").send(event)
        except TransitionNotAllowed:
            return jsonify(error="illegal", status=source), 409
        payment.save()
        Entry.create(payment=payment, event=event, source=source, target=payment.status)
    return jsonify(id=payment.id, status=payment.status), 200


def prepare() -> None:
    """Make the tables."""
    with database:
        database.create_tables([Payment, Entry])
