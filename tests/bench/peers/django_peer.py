"""The same job by Django, Django REST framework and django-fsm-2 on SQLite. Served by gunicorn.

WAL, synchronous=FULL, write transactions that begin as such, connections that stay.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="not a secret: a benchmark on loopback",
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["rest_framework", "django_peer"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF="django_peer",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(os.environ["PEER_FOLDER"]) / "django.db",
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 30,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            },
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application
from django.db import connection, models, transaction
from django.urls import path
from django_fsm import FSMField, TransitionNotAllowed
from django_fsm import transition as edge
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class Payment(models.Model):
    id = models.CharField(primary_key=True, max_length=40)
    status = FSMField(default="created", protected=True)
    amount = models.BigIntegerField()
    item_name = models.CharField(max_length=100)

    class Meta:
        app_label = "django_peer"

    @edge(field=status, source="created", target="prepared")
    def ready(self) -> None:
        """The gateway prepared it."""

    @edge(field=status, source="prepared", target="approved")
    def approve(self) -> None:
        """The gateway took the money."""

    @edge(field=status, source="approved", target="completed")
    def complete(self) -> None:
        """The merchant delivers."""


class Entry(models.Model):
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT)
    event = models.CharField(max_length=20)
    source = models.CharField(max_length=20, null=True)
    target = models.CharField(max_length=20)

    class Meta:
        app_label = "django_peer"


class Shown(serializers.ModelSerializer):
    class Meta:
        model = Payment
        fields = ("id", "status", "amount", "item_name")
        read_only_fields = ("status",)


class Payments(APIView):
    def post(self, request: Request) -> Response:
        asked = Shown(data=request.data)
        asked.is_valid(raise_exception=True)
        with transaction.atomic():
            payment = asked.save()
            Entry.objects.create(payment=payment, event="create", target=payment.status)
        return Response(asked.data, status=201)


class Events(APIView):
    def post(self, request: Request, key: str, event: str) -> Response:
        if event not in ("ready", "approve", "complete"):
            return Response({"error": "unknown event"}, status=404)
        with transaction.atomic():
            payment = Payment.objects.filter(pk=key).first()
            if payment is None:
                return Response({"error": "no such payment"}, status=404)
            source = payment.status
            try:
                getattr(payment, event)()
            except TransitionNotAllowed:
                return Response({"error": "illegal", "status": source}, status=409)
            payment.save()
            Entry.objects.create(payment=payment, event=event, source=source, target=payment.status)
        return Response(Shown(payment).data)


urlpatterns: list[Any] = [
    path("payments", Payments.as_view()),
    path("payments/<str:key>/<str:event>", Events.as_view()),
]
app = get_wsgi_application()


def prepare() -> None:
    """Make the tables."""
    with connection.schema_editor() as schema:
        schema.create_model(Payment)
        schema.create_model(Entry)
