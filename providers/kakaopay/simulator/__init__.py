"""A gateway to pay against offline: the public wire protocol, pay pages and scripted faults.

It moves no real money, and shares no code with the adapter that it tests: a misreading of the
protocol must show up as a difference between the two.

    app = create_app(ledger=Path("kakaopay.jsonl"))
    serve(app, "127.0.0.1", 9010).serve_forever()
"""

from providers.kakaopay.simulator.app import create_app
from providers.kakaopay.simulator.server import serve

__all__ = ["create_app", "serve"]
