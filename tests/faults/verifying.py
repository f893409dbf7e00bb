"""Bugs for the drill: what the fast verifier, the bundle and its own verifier must not lose.

Each is name, promise, file, the defence as it stands, what becomes of it, and the tests that see it.
"""

_SWEEP = "tests/engine/test_sweep.py"
_FORM = f"{_SWEEP}::test_what_a_pattern_takes_is_canonical_and_typed"
_SAME = f"{_SWEEP}::test_fast_and_slow_find_the_same"
_RULES = "tests/engine/test_bundle_rules.py"
_TAMPER = "tests/engine/test_tamper.py"
_EXPORT = "tests/web/test_export.py"
_ALONE = "engine/bundle/verify.py"
_READING = "engine/reading.py"
_REWRITING = "engine/rewriting.py"
_BESIDE = f"{_SWEEP}::test_what_stands_beside_transitions_names_its_stream"
_LIKE = f"{_SWEEP}::test_what_is_rewritten_is_canonical_and_typed"
_PAGE = "tests/engine/test_readme_tree.py::test_both_verifiers_find_the_same"
_NODES, _GONE = "engine/verify_tree.py", "engine/verify_erasures.py"
_SHOWN, _OPENED = "web/templates/bundle.html", "tests/browser/test_bundle.py"

VERIFYING: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("fast: integers in two spellings", "P9", "engine/patterns.py", '"(?:0|[1-8][0-9]{0,15}|9[0-9]{0,14})"', '"[0-9]{1,16}"', _FORM),
    ("fast: fields in any order of commas", "P9", "engine/patterns.py", "(?:,(?=\")|(?=\\}))", ",?", _FORM),
    ("fast: any text in a name", "P9", "engine/patterns.py", '_VISIBLE = r"[!#-\\[\\]-~]"', '_VISIBLE = r"[^\\"]"', _FORM),
    ("fast: no hash", "P9", _READING, "            if found.hexdigest().encode() != written or seq != number or not last < at:\n                return False\n            if kind", "            if seq != number or not last < at:\n                return False\n            if kind", _SAME),
    ("fast: no chain", "P9", _READING, "STEPS.take(now, event, seq, raw, at, head)", "STEPS.take(now, event, seq, raw, at, raw[(n := raw.index(b'prev_hash') + 12) : n + 64])", _SAME),
    ("fast: any stream", "P9", _READING, " or groups[-2] != self.stream", "", _BESIDE),
    ("fast: seq column unread", "P9", _REWRITING, "layout.seq != seq or ", "", _LIKE),
    ("fast: any new name", "P9", "engine/layout.py", "    if piece.translate(None, _VISIBLE):", "    if False:", _LIKE),
    ("fast: any new hash", "P9", "engine/layout.py", "    if piece.translate(None, _HEX):", "    if False:", _LIKE),
    ("fast: any known name", "P9", "engine/layout.py", "if self._match(piece) is None:", "if False:", _LIKE),
    ("fast: a rewritten entry uncompared", "P9", _REWRITING, "if raw != step.text % (actor, *told, key, at, head, request, now.id):\n        return None\n    if step.guard is not None and not step.guard(now, at, whole)", "if step.guard is not None and not step.guard(now, at, whole)", _LIKE),
    ("fast: time may stand still", "P9", _READING, "seq != number or not last < at:\n                return False\n            if kind", "seq != number:\n                return False\n            if kind", _SAME),
    ("fast: no guard", "P8", _REWRITING, "        return holds(now, seen, target)", "        return True", _SAME),
    ("fast: any source", "P8", _REWRITING, "if now.status != self.source:", "if False:", _SAME),
    ("fast: a settled refund uncompared", "P1", _REWRITING, "    told = (evidence, now.intent_op, total, free, taxed)\n    if raw != step.text % (actor, *told, key, at, head, request, now.id):\n        return None\n", "", _LIKE),
    ("fast: an intent stays open", "P1", _REWRITING, "    now.intent_op = now.intent_source = now.intent_amount = now.intent_total = None\n    now.intent_tax_free = now.intent_vat = None\n    if", "    if", _SAME),
    ("fast: row unread", "P7", _READING, "if swift.row_of(self.now) != row[:_FACTS]:", "if False:", _SAME),
    ("fast: personal values unread", "P9", _READING, "return (opening.text % tuple(found)).encode() == held", "return True", f"{_SWEEP}::test_other_personal_values_are_not_taken"),
    ("fast: copies of values unread", "P9", _READING, "return self._values is None or _repeated(row, self._values)", "return True", _SAME),
    ("fast: rows without a log", "P9", "engine/sweep.py", "        for row in rows:\n            self.swept.rows", "        for row in []:\n            self.swept.rows", _SAME),
    ("fast: values without a log", "P9", "engine/sweep.py", "for one in kept:", "for one in []:", _SAME),
    ("processes forget the last range", "P9", "engine/sweep.py", "zip([None, *ends], [*ends, None], strict=True)", "zip([None, *ends], [*ends], strict=False)", f"{_SWEEP}::test_two_processes_report_what_one_does"),
    ("processes import the program", "P9", "engine/sweep.py", '        sys.modules["__main__"] = ModuleType("__main__")\n', "", f"{_SWEEP}::test_processes_do_not_import_the_program"),
    ("what this process read is lost", "P9", "engine/sweep.py", "here[taken] = _Range(store, *begun[taken], progress).run()", "here[taken] = Swept()", f"{_SWEEP}::test_two_processes_report_what_one_does"),
    ("a salt in two spellings", "P9", "engine/verify.py", "if _SALT.fullmatch(text) is None:", "if False:", "tests/engine/test_verify.py"),
    ("a checkpoint unread", "P9", "engine/sweep.py", "*verify_tree(store, checkpoint)", "*verify_tree(store, None)", f"{_TAMPER}::test_a_rewrite_is_seen_by_a_checkpoint_alone"),
    ("the tree unread", "P9", "engine/sweep.py", "*verify_tree(store, checkpoint), ", "*(), ", f"{_TAMPER}::test_every_random_tampering_is_found_and_named"),
    ("clean books alarm", "P9", "engine/verify_tree.py", "return any(left) or", "return not any(left) or", f"{_TAMPER}::test_no_clean_book_raises_an_alarm"),
    ("stored nodes unread", "P9", _NODES, "if stored != expected:", "if False:", _PAGE),
    ("a checkpoint between batches", "P9", _NODES, "size = signed % BATCH or BATCH", "size = BATCH", "tests/engine/test_verify_tree.py"),
    ("nodes left over", "P9", _NODES, "surplus = grown.surplus()", "surplus = False", _PAGE),
    ("any order in the tree", "P9", _NODES, '        (_OUT_OF_ORDER, "to follow the entry before it in the tree"),\n', "", _PAGE),
    ("entries in no tree", "P9", _NODES, '        (_UNPLACED, "a place in the tree"),\n', "", _PAGE),
    ("a feed with gaps", "P9", _NODES, '        (_UNFED, "a place in its merchant\'s feed"),\n', "", _PAGE),
    ("another's feed", "P14", _NODES, '        (_FED_WRONG, "no place in the feed of another"),\n', "", _PAGE),
    ("values gone in silence", "P9", _GONE, "[*_unheld(store), ", "[", _PAGE),
    ("values beside their erasure", "P9", _GONE, "*_half(store), ", "", _PAGE),
    ("a row shows what was erased", "P9", _GONE, "*_shown(store), ", "", _PAGE),
    ("an erasure that the book does not say", "P9", _GONE, ", *_unsaid(store)]", "]", _PAGE),
    ("an erasure of other entries", "P9", _GONE, " != (len(places), digest(places)):", " == ():", _PAGE),
    ("no JSON in the book is a crash", "P9", _GONE, "    except (ValueError, LookupError, TypeError, RecursionError):", "    except LookupError:", "tests/engine/test_readme_tree.py::test_what_is_no_text_is_a_finding"),
    ("the page: no hash", "P9", _SHOWN, 'must(hex(digest) === line.hash, "hashes", `hash ${hex(digest)}`);', "", f"{_OPENED}::test_a_byte_of_the_log_is_named"),
    ("the page: whole until it is read", "P9", _SHOWN, "<h2>Not checked</h2>", "<h2>Whole</h2>", f"{_OPENED}::test_a_page_that_cannot_be_read_judges_nothing"),
    ("the page: no signature", "P9", _SHOWN, 'valid = await crypto.subtle.verify("Ed25519", known, signature.slice(4), text) && valid;', "", f"{_OPENED}::test_another_signature_is_no_signature"),
    ("alone: no line", "P9", _ALONE, 'f"{error} (line {self.count})"', "str(error)", f"{_TAMPER}::test_every_random_tampering_is_found_and_named"),
    ("alone: no hash", "P9", _ALONE, 'must(sha(b"strada/entry/1\\n", raw).hex() == digest', 'must(True', f"{_EXPORT}::test_a_changed_bundle_is_broken"),
    ("alone: no root", "P9", _ALONE, "and self.heads[size] != self.tree.root()", "and False", f"{_TAMPER}::test_every_random_tampering_is_found_and_named"),
    ("alone: no end", "P9", _ALONE, "if not self.part and self.tree.size != self.size:", "if False:", f"{_EXPORT}::test_a_changed_bundle_is_broken"),
    ("alone: no signature", "P9", _ALONE, 'must(signed(key, text.encode() + b"\\n", raw[4:])', "must(True", f"{_EXPORT}::test_a_changed_bundle_is_broken"),
    ("alone: unknown keys", "P9", _ALONE, 'must(valid, "the signature of a known key")', "pass", f"{_EXPORT}::test_a_changed_bundle_is_broken"),
    ("alone: any chart", "P8", _ALONE, "if sha(jcs(chart)).hex() == path.stem:", "if True:", f"{_EXPORT}::test_a_changed_bundle_is_broken"),
    ("alone: proofs unread", "P9", _ALONE, "must(root == self.heads.get(self.size)", "must(True", f"{_EXPORT}::test_a_part_with_a_strangers_proof_is_broken"),
    ("alone: positions unread", "P9", _ALONE, "must(self.part or position == place", "must(True", f"{_EXPORT}::test_a_changed_bundle_is_broken"),
    ("alone: two logs", "P9", _ALONE, "and len({origin for origin, _, _ in heads}) == 1", "", f"{_EXPORT}::test_a_checkpoint_of_another_log_is_none_of_this"),
    ("alone: illegal steps", "P8", _ALONE, 'must(edge in chart, f"a transition of its chart; {edge} is none")\n    guard = chart[edge]', "guard = chart.get(edge)", _RULES),
    ("alone: guards unread", "P8", _ALONE, "guard is None or (guard in GUARDS and", "True or (guard in GUARDS and", _RULES),
    ("alone: chain unread", "P9", _ALONE, 'must(e["prev_hash"] == head', "must(True", _RULES),
    ("alone: amounts unread", "P1", _ALONE, 'must(d["expected_total"] == f["refunded"] + d["amount"]', "must(True", _RULES),
    ("alone: schemas unread", "P9", _ALONE, "must(needed <=", "must(True or needed <=", _RULES),
    ("an export of all merchants", "P14", "engine/export.py", '{"merchant = ?": self.merchant, ', "{", f"{_EXPORT}::test_a_merchant_gets_nothing_of_another"),
    ("a name ends the page's script", "P18", "web/bundle.py", 'data.replace("<", "\\\\u003c")', "data", f"{_EXPORT}::test_a_name_cannot_end_the_pages_script"),
    ("a HEAD is noted", "P9", "web/audit.py", 'if request.method == "HEAD":', "if False:", f"{_EXPORT}::test_an_export_is_noted_and_a_head_is_not"),
    ("an export is not the last line", "P9", "engine/export.py", "        audit.sequencer.drain()\n", "", f"{_EXPORT}::test_the_lines_are_the_log_in_tree_order"),
    ("any scope exports", "P14", "web/audit.py", '    who.need("audit")\n    asked = query_of(request, {"from": schemas.instant', '    asked = query_of(request, {"from": schemas.instant', f"{_EXPORT}::test_export_wants_the_audit_scope"),
)  # fmt: skip
