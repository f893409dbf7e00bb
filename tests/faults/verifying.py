"""Bugs for the drill: what the fast verifier, the bundle and its own verifier must not lose.

Each is name, promise, file, the defence as it stands, what becomes of it, and the tests that see it.
"""

_SWEEP = "tests/engine/test_sweep.py"
_TAMPER = "tests/engine/test_tamper.py"
_EXPORT = "tests/web/test_export.py"
_ALONE = "engine/bundle/verify.py"
_READING = "engine/reading.py"
_SWIFT = "engine/swift.py"

VERIFYING: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("fast: integers in two spellings", "P9", "engine/patterns.py", '"(?:0|[1-8][0-9]{0,15}|9[0-9]{0,14})"', '"[0-9]{1,16}"', _SWEEP),
    ("fast: fields in any order of commas", "P9", "engine/patterns.py", "(?:,(?=\")|(?=\\}))", ",?", _SWEEP),
    ("fast: any text in a name", "P9", "engine/patterns.py", '_VISIBLE = r"[!#-\\[\\]-~]"', '_VISIBLE = r"[^\\"]"', _SWEEP),
    ("fast: no hash", "P9", _READING, "if digest != written or pattern is None", "if pattern is None", _SWEEP),
    ("fast: no chain", "P9", _READING, "groups[-5] != head or ", "", _SWEEP),
    ("fast: any stream", "P9", _READING, " or groups[-2] != stream", "", _SWEEP),
    ("fast: seq column unread", "P9", _READING, "seq != number or ", "", _SWEEP),
    ("fast: time may stand still", "P9", _READING, "not last < occurred_at == int", "not occurred_at == int", _SWEEP),
    ("fast: no guard", "P8", _SWIFT, "step.guard(now, groups, at) and ", "", _SWEEP),
    ("fast: any source", "P8", _SWIFT, "step is None or groups[-3] != now.status", "step is None", _SWEEP),
    ("fast: refund total unread", "P1", _SWIFT, "if (int(refunded), int(tax_free), int(vat)) != told:", "if False:", _SWEEP),
    ("fast: intent of approve unread", "P1", _SWIFT, "if int(amount) != whole or int(total) != whole:", "if False:", _SWEEP),
    ("fast: row unread", "P7", _READING, " or swift.row_of(self.now) != rows[0][:_FACTS]", "", _SWEEP),
    ("fast: personal values unread", "P9", _READING, "return all(self._opens(seq, fields, rows[0]) for _, seq, fields in kept)", "return True", _SWEEP),
    ("fast: copies of values unread", "P9", _READING, "return seq != 1 or _repeated(row, values)", "return True", _SWEEP),
    ("fast: rows without a log", "P9", "engine/sweep.py", "        for row in rows:\n            self.swept.rows", "        for row in []:\n            self.swept.rows", _SWEEP),
    ("fast: values without a log", "P9", "engine/sweep.py", "for one in kept:", "for one in []:", _SWEEP),
    ("processes forget the last range", "P9", "engine/sweep.py", "zip([None, *ends], [*ends, None], strict=True)", "zip([None, *ends], [*ends], strict=False)", _SWEEP),
    ("a salt in two spellings", "P9", "engine/verify.py", "if _SALT.fullmatch(text) is None:", "if False:", "tests/engine/test_verify.py"),
    ("a checkpoint unread", "P9", "engine/sweep.py", "*verify_tree(store, checkpoint)", "*verify_tree(store, None)", _TAMPER),
    ("the tree unread", "P9", "engine/sweep.py", "*verify_tree(store, checkpoint)", "", _TAMPER),
    ("an alarm over an empty book", "P9", "engine/sweep.py", "        self.swept.slow += 1\n", "        self.swept.slow += 1\n        self.swept.findings.append(Finding('x', 1, ''))\n", _SWEEP),
    ("clean books alarm", "P9", "engine/verify_tree.py", "return row is not None and row[\"n\"] != size - size.bit_count()", "return row is not None and row[\"n\"] > 9", _TAMPER),
    ("alone: no hash", "P9", _ALONE, 'must(sha(b"strada/entry/1\\n", raw).hex() == digest', 'must(True', _EXPORT),
    ("alone: no root", "P9", _ALONE, "and self.heads[size] != self.tree.root()", "and False", _TAMPER),
    ("alone: no end", "P9", _ALONE, "if not self.part and self.tree.size != self.size:", "if False:", _EXPORT),
    ("alone: no signature", "P9", _ALONE, 'must(signed(key, text.encode() + b"\\n", raw[4:])', "must(True", _EXPORT),
    ("alone: any key", "P9", _ALONE, "[:4] == raw[:4]", "[:0] == b''", _EXPORT),
    ("alone: any chart", "P8", _ALONE, "if sha(jcs(chart)).hex() == path.stem:", "if True:", _EXPORT),
    ("alone: proofs unread", "P9", _ALONE, "must(root == self.heads.get(self.size)", "must(True", _EXPORT),
    ("alone: positions unread", "P9", _ALONE, "must(self.part or position == place", "must(True", _EXPORT),
    ("alone: two logs", "P9", _ALONE, "and len({origin for origin, _, _ in heads}) == 1", "", _EXPORT),
    ("alone: illegal steps", "P8", _ALONE, "must(edge in chart", "must(True", "tests/engine/test_bundle_rules.py"),
    ("alone: guards unread", "P8", _ALONE, "guard is None or (guard in GUARDS and", "True or (guard in GUARDS and", "tests/engine/test_bundle_rules.py"),
    ("alone: chain unread", "P9", _ALONE, 'must(e["prev_hash"] == head', "must(True", "tests/engine/test_bundle_rules.py"),
    ("alone: amounts unread", "P1", _ALONE, 'must(d["expected_total"] == f["refunded"] + d["amount"]', "must(True", "tests/engine/test_bundle_rules.py"),
    ("alone: schemas unread", "P9", _ALONE, "must(needed <=", "must(True or needed <=", "tests/engine/test_bundle_rules.py"),
    ("an export of all merchants", "P14", "engine/export.py", '{"merchant = ?": self.merchant, ', "{", _EXPORT),
    ("a name ends the page's script", "P18", "web/bundle.py", 'data.replace("<", "\\\\u003c")', "data", _EXPORT),
    ("a HEAD is noted", "P9", "web/audit.py", 'if request.method == "HEAD":', "if False:", _EXPORT),
    ("an export is not the last line", "P9", "engine/export.py", "        audit.sequencer.drain()\n", "", _EXPORT),
    ("any scope exports", "P14", "web/audit.py", '    who.need("audit")\n    asked = query_of(request, {"from": schemas.instant', '    asked = query_of(request, {"from": schemas.instant', _EXPORT),
)  # fmt: skip
