"""Questions and answers as files of other programs: plain JSON lines, Label Studio, argilla.

plain         a line an answer: {"key", "who", "answer"}; questions that wait have "answer" null and no "who"
label_studio  a JSON list of tasks, to import into a project whose labelling configuration `labelling` gives; back come
              the tasks of its JSON export, with `annotations`
argilla       a line a record: `id` and fields, for `dataset.records.log`; back come the records' `to_dict`, flat or not

Answers in other programs are texts as people type them (`replies.understood`): of a pair "a", "b" or "t", where a is
what the file shows first. Labels that are true of an item may be a list of names; an annotation of
Label Studio without a result says that none is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

from labelbench_plus.answering.people import People, Waiting
from labelbench_plus.answering.replies import checked, shown, typed

Form = Literal["plain", "label_studio", "argilla"]
ANSWER = "answer"
PAIR = ("a", "b", "t")


@dataclass(frozen=True)
class Taken:
    """What an import did: answers that were kept, that were there already or came too late, and what is wrong."""

    kept: int
    passed: int
    faults: tuple[str, ...]


def exported(people: People, form: Form) -> str:
    """The questions that wait, as a file; in plain lines also every answer there is."""
    waiting = people.waiting()
    if form == "label_studio":
        return json.dumps([{"data": _fields(question)} for question in waiting], indent=1, ensure_ascii=False) + "\n"
    lines: list[dict[str, Any]] = []
    if form == "argilla":
        lines = [{"id": fields.pop("key"), **fields} for fields in map(_fields, waiting)]
    else:
        open_keys = {question.key for question in waiting}
        for question, said in people.everything():
            lines += [{"key": question.key, "who": who, "answer": kept.answer} for who, kept in said.items()]
            if question.key in open_keys:
                lines.append({**_fields(question), "answer": None})
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def labelling(questions: Iterable[Waiting]) -> str:
    """A labelling configuration for Label Studio."""
    first = next(iter(questions), None)
    if first is None:
        return "<View/>\n"
    names = [name for name in _fields(first) if name not in ("key", "image")]
    shows = [f'  <Text name="{name}" value="${name}"/>' for name in names]
    shows += ['  <Image name="image" value="$image"/>'] if first.image else []
    target = "image" if first.image else "prompt"
    if first.classes or first.wants == "pair":
        choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in first.classes or PAIR)
        choice = "multiple" if first.several else "single"
        control = f'  <Choices name="{ANSWER}" toName="{target}" choice="{choice}">{choices}</Choices>'
    elif first.wants == "score":
        control = f'  <Number name="{ANSWER}" toName="{target}"/>'
    else:
        control = f'  <TextArea name="{ANSWER}" toName="{target}"/>'
    return "\n".join(["<View>", *shows, control, "</View>"]) + "\n"


def imported(people: People, text: str, form: Form, scale: tuple[float, float]) -> Taken:
    """Take in answers from a file. Those that are there already, of the same people, are passed over.

    Raises
    ------
    ValueError
        The file is no such file.
    """
    read = {"plain": _plain, "label_studio": _label_studio, "argilla": _argilla}[form]
    kept, passed, faults = 0, 0, []
    for place, key, who, said in read(text):
        try:
            question = people.question(key)
        except FileNotFoundError:
            faults.append(f"{place}: unknown question {key[:80]!r}")
            continue
        if said == [] and not question.several:  # nothing was chosen
            continue
        try:
            value = checked(question, said, scale) if form == "plain" else typed(question, said, scale)
        except ValueError as error:
            faults.append(f"{place}: {str(said)[:80]!r}: {error}")
            continue
        known = people.said(key)
        if (who in known and known[who].answer == value) or not people.answer(key, who, value, source=form):
            passed += 1
        else:
            kept += 1
    return Taken(kept, passed, tuple(faults))


def _fields(question: Waiting) -> dict[str, Any]:
    """What a question is, by names that are the same in every form."""
    found: dict[str, Any] = {"key": question.key, "prompt": question.prompt}
    names = PAIR if question.wants == "pair" else ("response",)
    found |= dict(zip(names, shown(question), strict=False))
    if question.image is not None:
        found["image"] = f"data:image/png;base64,{base64.b64encode(question.image.read_bytes()).decode()}"
    return found


Said = Iterator[tuple[str, str, str, Any]]
"""Where in the file, the question's key, who answered, and what."""


def _objects(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON list, or of JSON lines."""
    whole = text.lstrip()
    if whole.startswith("["):
        objects: Iterable[Any] = json.loads(whole)
    else:
        objects = (json.loads(line) for line in text.splitlines() if line.strip())
    for number, each in enumerate(objects, 1):
        if not isinstance(each, dict):
            raise ValueError(f"record {number}: expected an object, got {type(each).__name__}")
        yield f"record {number}", each


def _plain(text: str) -> Said:
    for place, record in _objects(text):
        if record.get("who") is not None:
            yield place, str(record.get("key")), str(record["who"]), record.get("answer")


def _label_studio(text: str) -> Said:
    for place, task in _objects(text):
        key = str((task.get("data") or {}).get("key"))
        for annotation in task.get("annotations") or []:
            if annotation.get("was_cancelled"):  # skipped there
                continue
            by = annotation.get("completed_by")
            who = str(by.get("email") or by.get("id")) if isinstance(by, dict) else str(by)
            found = [each for each in annotation.get("result") or [] if each.get("from_name") == ANSWER]
            for result in found:
                yield place, key, who, _value(result.get("value") or {})
            if not found:
                yield place, key, who, []


def _value(value: dict[str, Any]) -> Any:
    """What a result of Label Studio says: choices, a number, or a text."""
    return next((value[name] for name in ("choices", "number", "rating", "text") if name in value), None)


def _argilla(text: str) -> Said:
    for place, record in _objects(text):
        key = str(record.get("id"))
        responses = record.get("responses")
        if isinstance(responses, dict):
            for each in responses.get(ANSWER) or []:
                yield place, key, str(each.get("user_id")), each.get("value")
            continue
        flat = record.get(f"{ANSWER}.responses") or []
        users = record.get(f"{ANSWER}.responses.users") or [None] * len(flat)
        for value, user in zip(flat, users, strict=True):
            yield place, key, str(user), value
