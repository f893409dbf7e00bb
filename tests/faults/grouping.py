"""Bugs for the drill: what one commit for many requests must not lose.

Each is name, promise, file, the defence as it stands, what becomes of it, and its tests.
"""

_QUICK = "tests/web/test_quick.py"
_LOOP = "tests/web/test_loop.py"
_STORE, _WEB = "engine/store.py", "web/loop.py"

GROUPING: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("group: answers before the commit", "P5", _WEB, "                answered = self._each(channels)\n", "                answered = self._each(channels)\n                [channel.let_go() for channel in answered]\n", f"{_LOOP}::test_what_a_pass_has_read_shares_one_commit_and_waits_for_it"),
    ("group: told kept when it was not", "P5", _WEB, "            lost = trouble\n", "            pass\n", f"{_LOOP}::test_a_group_that_was_not_kept_is_told_so_and_poisons"),
    ("group: goes on after a failure", "P5", _STORE, "if self._broken is not None or not self._connection.in_transaction:", "if False:", f"{_LOOP}::test_a_group_that_swallowed_a_failure_is_not_kept"),
    ("group: a part that lost a write poisons nothing", "P16", "engine/errors.py", "cause = cause.__cause__ or cause.__context__", "cause = cause.__context__", f"{_LOOP}::test_a_write_lost_within_a_part_poisons_too"),
    ("group: a part is not undone", "P6", _STORE, '                self._connection.execute("ROLLBACK TO part")\n', "                pass\n", f"{_LOOP}::test_a_part_that_fails_is_undone_alone"),
    ("group: reads what was before it", "P13", _STORE, "if self._mine.connection is not None:", 'if self._mine.connection is not None and getattr(self._mine.group, "_inside", True):', f"{_LOOP}::test_one_payment_asked_for_by_many_at_once_is_decided_once"),
    ("group: a gateway is asked in it", "P2", "engine/gateway.py", "if self._merchants.store.is_grouped:", "if False:", f"{_LOOP}::test_no_gateway_is_asked_inside_a_group"),
    ("loop: asks gateways itself", "P12", "web/handlers.py", "            if self.strada.store.is_grouped:\n                raise Elsewhere\n", "", f"{_LOOP}::test_what_asks_a_gateway_is_served_by_a_thread_and_whole"),
    ("loop: a request begun again lost its body", "P6", "web/framing.py", "        self.requests[0].get_body_stream().seek(0)\n", "", f"{_LOOP}::test_what_asks_a_gateway_is_served_by_a_thread_and_whole"),
    ("loop: answers overtake", "P15", _WEB, "elif channel.is_held:", "elif False:", f"{_LOOP}::test_a_slow_request_behind_a_quick_one_does_not_overtake_it"),
    ("loop: waits for other writers", "P16", _WEB, "PATIENCE_S = 0.02", "PATIENCE_S = 20.0", f"{_LOOP}::test_a_writer_that_holds_the_database_keeps_nobody_who_reads"),
    ("loop: waits for a slow disk", "P16", _WEB, "        if time.monotonic() - begun > SLOW_S:\n            self._rest()\n", "", f"{_LOOP}::test_a_slow_pass_leaves_the_next_to_threads"),
    ("loop: refusals that pages cannot read", "P16", "web/quick.py", '("ORIGIN", "EXPECT")', '("EXPECT",)', f"{_LOOP}::test_a_page_of_another_origin_may_read_that_it_was_not_kept"),
    ("quick: forgets what Flask adds", "P15", "web/quick.py", '            "Vary": also_by_origin(reply.headers.get("Vary")),\n', "", f"{_QUICK}::test_the_loop_answers_as_flask_does"),
    ("quick: takes what asks for more", "P15", "web/quick.py", "        and request.request_uri == request.path\n", "", f"{_QUICK}::test_what_is_not_plain_is_not_quick"),
    ("quick: no limit on calls", "P15", "web/handlers.py", "        wait_s = self.limit.take(who.transaction or who.actor)\n", "        wait_s = None\n", f"{_QUICK}::test_the_loop_says_when_to_come_back_as_flask_does"),
    ("quick: a body is not read", "P6", "web/quick.py", "        body: bytes = self._request.get_body_stream().read()\n", '        body = b""\n', f"{_QUICK}::test_the_loop_answers_as_flask_does"),
    ("quick: most clients take the long way", "P15", "web/quick.py", 'headers.get("CONNECTION", "keep-alive").lower() == "keep-alive"', '"CONNECTION" not in headers', f"{_QUICK}::test_the_loop_answers_as_flask_does"),
    ("quick: a connection that should end stays", "P15", "web/quick.py", '        and headers.get("CONNECTION", "keep-alive").lower() == "keep-alive"\n', "", f"{_QUICK}::test_what_is_not_plain_is_not_quick"),
)  # fmt: skip
