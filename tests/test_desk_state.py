"""What the workspace knows, as it is told of chats: js/workspace/state.js, played without a page."""

from typing import Any

from tests.node import MODULES, run_module

_NAMES = "answered, caughtUp, desk, frozenOrder, held, ids, inHand, mentionsIn, newsBetween, page, reduce, row, told"


def play(script: str) -> Any:
    """Return what a script shows, which has everything of tests/js/desk.mjs."""
    module = str(MODULES / "desk.mjs")
    show = "const show = (...values) => console.log(JSON.stringify(values));"
    return run_module(f"const {{ {_NAMES} }} = await import({module!r});{show}{script}")


def test_a_row_that_is_told_moves_from_list_to_list() -> None:
    assert play("""
        let state = page(desk(), "queue", [row("a", 10), row("b", 11)]);
        const boxes = ["queue", "held", "waiting_customer", "snoozed", "done"];
        const look = () => boxes.map((box) => ids(state, box).join());
        const then = (now) => ((state = told(state, { changed: [now] })), look());
        show(
          look(),
          then(held("a", 20)),
          then(answered("a", 21)),
          then(answered("a", 21, { snoozed_until: "2026-11-22T12:00:00+00:00" })),
          then(row("a", 22)),
          then(held("a", 23, "ben")),
          then(row("a", 24, { chat_state: "completed", last_operator_id: "ana" })),
        );
    """) == [
        ["a,b", "", "", "", ""],
        ["b", "a", "", "", ""],
        ["b", "", "a", "", ""],
        ["b", "", "", "a", ""],
        ["b,a", "", "", "", ""],
        ["b", "", "", "", ""],
        ["b", "", "", "", "a"],
    ]


def test_lists_are_in_the_order_of_their_boxes() -> None:
    assert play("""
        const rows = [row("late", 9), row("urgent", 10, { priority: 5 }), row("early", 1)];
        const inbox = {
          held: [held("second", 12), held("first", 11)],
          waiting_customer: [answered("old", 10), answered("new", 30)],
        };
        const state = page(desk(inbox), "queue", rows);
        show(ids(state, "queue"), ids(state, "held"), ids(state, "waiting_customer"));
    """) == [["urgent", "early", "late"], ["first", "second"], ["new", "old"]]


def test_what_is_put_aside_fills_a_hand_nevertheless() -> None:
    assert play("""
        const state = desk({ held: [held("a", 10, "ana", { snoozed_until: "2026-11-22T12:00:00+00:00" })] });
        show(ids(state, "held"), ids(state, "snoozed"), inHand(state).map((each) => each.id));
    """) == [[], ["a"], ["a"]]


def test_an_answer_that_was_long_on_its_way_undoes_nothing_that_was_told_meanwhile() -> None:
    assert play("""
        const inbox = { held: [held("a", 10), held("b", 11)], waiting_customer: [], snoozed: [] };
        let state = desk(inbox);
        const since = state.turn;
        state = told(state, { changed: [answered("a", 20), held("c", 21)] }, { gone: ["b"] });
        const { me, queue, settings } = state;
        const old = { ...inbox, operator: me, next: null, queue, numbers: null, mentions: 0, settings };
        state = reduce(state, { type: "inbox", inbox: old, since });
        show(ids(state, "held"), ids(state, "waiting_customer"));
    """) == [["c"], ["a"]]


def test_an_answer_that_was_long_on_its_way_does_not_hide_what_is_next() -> None:
    assert play("""
        const inbox = (state) => ({
          ...{ operator: state.me, held: [], waiting_customer: [], snoozed: [] },
          ...{ next: null, queue: { waiting_count: 0 }, mentions: 0 },
        });
        const look = ({ me, next, queue, mentions }) => [me.status, next?.id ?? null, queue.waiting_count, mentions];
        const then = (state, since) => look(reduce(state, { type: "inbox", inbox: inbox(begun), since }));
        const begun = desk();
        let state = told(begun, { next: row("a", 10), queue: { waiting_count: 1 }, mentions: 2 });
        state = told(state, { queue: { waiting_count: 2 } });
        const away = { operator_id: "ana", name: "Ana", status: "away", status_reason: "idle" };
        state = reduce(state, { type: "frame", frame: { type: "presence", operators: [away] } });
        const back = reduce(state, { type: "me", operator: { status: "online", status_reason: null } });
        show(look(state), then(state, begun.turn), then(back, state.turn), then(state, state.turn));
    """) == [["away", "a", 2, 2], ["away", "a", 2, 2], ["online", None, 0, 0], ["online", None, 0, 0]]


def test_a_fresh_answer_takes_away_what_it_does_not_have() -> None:
    assert play("""
        let state = page(desk(), "queue", [row("a", 10), row("b", 11)]);
        show(ids(page(state, "queue", [row("b", 11)]), "queue"));
    """) == [["b"]]


def test_what_is_written_in_the_chat_that_is_next_shows_there_too() -> None:
    assert play("""
        const saying = (preview) => ({ last_message: { seq: 1, sender_type: "real", preview, created_at: "" } });
        const next = { ...row("a", 10, saying("hello")), reason: "the first" };
        let state = desk({ next });
        const look = () => [state.next.last_message.preview, state.next.reason];
        state = told(state, { changed: [row("b", 11, saying("not me"))] });
        const before = look();
        state = told(state, { changed: [row("a", 10, saying("are you there?"))] });
        show(before, look(), told(state, { next: null, changed: [held("a", 12)] }).next);
    """) == [["hello", "the first"], ["are you there?", "the first"], None]


def test_of_a_long_list_nothing_is_shown_behind_what_was_fetched() -> None:
    assert play("""
        let state = page(desk(), "queue", [row("a", 10), row("b", 20)], { cursor: "more" });
        state = told(state, { changed: [row("between", 15), row("behind", 30)] });
        const more = page(state, "queue", [row("c", 25), row("behind", 30)], { isMore: true });
        show(ids(state, "queue"), ids(more, "queue"));
    """) == [["a", "between", "b"], ["a", "between", "b", "c", "behind"]]


def test_an_operator_is_told_what_came_to_him_and_what_was_taken_and_nothing_else() -> None:
    assert play("""
        const said = (seq, sender_type) => ({ last_message: { seq, sender_type, preview: "", created_at: "" } });
        const names = ["answered", "written", "idle", "taken", "replied"];
        const aside = answered("slept", 5, { snoozed_until: "2026-11-22T12:00:00+00:00" });
        const before = desk({ held: names.map((name, place) => held(name, 10 + place)), snoozed: [aside] });
        const changed = [
          held("answered", 10, "ana", said(2, "operator")),
          held("written", 11, "ana", said(2, "real")),
          row("idle", 12),
          held("taken", 21, "ben"),
          answered("replied", 22),
          held("new", 20),
          row("waits", 23),
          answered("slept", 5),
        ];
        const after = told(before, { changed, mentions: 1 });
        const named = (news) => news.map((each) => [each.kind, each.row?.id ?? null]);
        show(
          named(newsBetween(before, after)),
          newsBetween(after, after),
          newsBetween({ ...before, me: null }, after),
          named(newsBetween(desk({ held: [held("away", 10)] }), desk())),
        );
    """) == [
        [
            ["message", "written"],
            ["lost", "idle"],
            ["lost", "taken"],
            ["woke", "slept"],
            ["assigned", "new"],
            ["mention", None],
        ],
        [],
        [],
        [["lost", "away"]],
    ]


def test_of_a_chat_that_is_gone_one_knows_who_has_it() -> None:
    assert play("""
        const before = page(desk(), "queue", [row("a", 10), row("b", 11)]);
        const state = told(before, { gone: ["a"], taken: { a: "Ben" } }, { gone: ["b"] });
        const taken = (_, place) => ({ taken: { [`c${place}`]: "Cleo" } });
        const later = told(state, ...Array.from({ length: 200 }, taken));
        show(ids(state, "queue"), [...state.takers], later.takers.size);
    """) == [[], [["a", "Ben"]], 100]


def test_rows_under_the_pointer_stay_where_they_are() -> None:
    assert play("""
        show(
          frozenOrder(["a", "b", "c"], ["c", "b", "a"]),
          frozenOrder(["a", "b", "c"], ["new", "a", "c"]),
          frozenOrder(["a", "b"], ["a", "between", "b", "last"]),
          frozenOrder([], ["a", "b"]),
        );
    """) == [["a", "b", "c"], ["new", "a", "c"], ["a", "between", "b", "last"], ["a", "b"]]


def test_a_note_mentions_whom_it_names_whole() -> None:
    assert play("""
        const people = ["Ana", "Ana Maria", "Ben (he/him)", "Zoé"].map((name) => ({ id: name, name }));
        const texts = [
          "@Ana Maria, look", "@ana and @Zoé.", "@Anabel, ana@example.org", "(@Ben (he/him))", "@Ana Maria, @Ana",
        ];
        show(...texts.map((text) => mentionsIn(text, people)));
    """) == [["Ana Maria"], ["Ana", "Zoé"], [], ["Ben (he/him)"], ["Ana", "Ana Maria"]]


def test_what_was_missed_is_counted_of_ones_own_chats() -> None:
    assert play("""
        const own = desk({ held: [held("a", 10), held("e", 13)], waiting_customer: [answered("b", 11)] });
        const before = told(page(own, "queue", [row("c", 12)]), { changed: [held("d", 9, "ben")] });
        const said = (seq, sender_type) => ({ last_message: { seq, sender_type, preview: "", created_at: "" } });
        const others = [row("c", 12, said(6, "real")), held("d", 9, "ben", said(4, "real"))];
        const e = held("e", 13, "ana", said(5, "real"));
        const changed = [answered("a", 10, said(4, "operator")), e, row("b", 20, said(2, "real")), ...others];
        const after = told(before, { changed });
        // My replies that were on their way are none of what I missed, whatever came after them.
        const mine = new Map([["a", [3]], ["e", [1, 2, 3, 9]]]);
        show(caughtUp(before, after, new Map()), caughtUp(before, after, mine));
    """) == [2 + 4 + 1, 1 + 2 + 1]
