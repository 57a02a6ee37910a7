"""Deliveries against a model: any mix of events, answers, instances that die and time that passes."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from shared.kernel.errors import StorageDown, Unreachable
from tests.core.hook_world import Answer, Fate, HookWorld, Post, Process
from tests.core.world import World
from tests.scale import scaled
from tests.support.memory_storage import MemoryTable

TASKS = ("a", "b", "c")
ANSWERS = (Answer(), Answer(404), Answer(500), Answer(429, retry_after=45.0), Unreachable("no"))
ODD_REFUSED = 1  # events with odd numbers get the 404, so those behind them would be taken if they came
MOODS = st.integers(0, len(ANSWERS) - 1)
DEATHS = st.one_of(st.none(), st.tuples(st.integers(0, 6), st.sampled_from(["before", "after"])))


def test_deliveries_do_what_the_model_does(world: World) -> None:
    class Machine(RuleBasedStateMachine):
        """The model: events are numbered per task, and a hook is told all of them in order."""

        @initialize(moods=st.tuples(MOODS, MOODS))
        def begin(self, moods: tuple[int, int]) -> None:
            self.around = HookWorld(world, MemoryTable())
            self.hooks = [self.around.register() for _ in range(2)]
            self.raised: dict[str, int] = defaultdict(int)
            self.untold: list[tuple[str, int]] = []
            self.deaths = 0
            self.moods: dict[str, int] = {}
            self.around.receiver.answers = self.answer
            for which, mood in enumerate(moods):
                self.a_receiver_changes_its_mind(which, mood)

        def answer(self, post: Post) -> Answer | Unreachable:
            mood = self.moods.get(post.url, 0)
            return ANSWERS[0 if mood == ODD_REFUSED and post.number % 2 == 0 else mood]

        def process(self, death: tuple[int, str] | None) -> Process:
            return Process(self.around, Fate(*death) if death else None)

        @rule(task=st.sampled_from(TASKS), events=st.integers(1, 3), death=DEATHS)
        def something_happens(self, task: str, events: int, death: tuple[int, str] | None) -> None:
            """What was not published to the end comes again, together with what is new."""
            for _ in range(events):
                self.raised[task] += 1
                self.untold.append((task, self.raised[task]))
            self.publish(death)

        @rule(death=DEATHS)
        def publish(self, death: tuple[int, str] | None) -> None:
            try:
                self.process(death).webhooks.publish([self.around.event(*event) for event in self.untold])
            except StorageDown:
                self.deaths += 1
            else:
                self.untold.clear()

        @rule(which=st.integers(0, 1), mood=MOODS)
        def a_receiver_changes_its_mind(self, which: int, mood: int) -> None:
            store = self.around.process.hooks
            kept = store.find(self.around.tenant_id, self.hooks[which].id)
            assert kept is not None
            self.moods[store.url_of(self.around.tenant_id, kept)] = mood

        @rule(seconds=st.sampled_from([1, 5, 11, 61, 600]), death=DEATHS)
        def time_passes(self, seconds: int, death: tuple[int, str] | None) -> None:
            process = self.process(death)
            for _ in range(3):
                self.around.clock.move(seconds=seconds)
                try:
                    self.around.beat(process)
                except StorageDown:
                    self.deaths += 1

        @invariant()
        def order_is_kept_and_only_a_death_repeats_an_event(self) -> None:
            if not hasattr(self, "around"):
                return
            by_place: dict[tuple[str, str], list[int]] = defaultdict(list)
            for post in self.around.receiver.taken:
                by_place[post.url, post.task].append(post.number)
            repeated = 0
            for numbers in by_place.values():
                assert numbers == sorted(numbers)
                assert sorted(set(numbers)) == list(range(1, max(numbers) + 1))
                repeated += len(numbers) - len(set(numbers))
            assert repeated <= self.deaths * 4, "each death can hit what was on its way, four tasks at most"

        def teardown(self) -> None:
            """In the end receivers are well again and nobody dies: everything arrives."""
            if not hasattr(self, "around"):
                return
            self.publish(None)
            self.moods.clear()
            self.around.run(until=self.is_quiet, hours=3)
            told = {(post.url, post.task, post.number) for post in self.around.receiver.taken}
            assert len(told) == 2 * sum(self.raised.values())
            assert {self.around.state(hook).state for hook in self.hooks} == {"active"}

        def is_quiet(self) -> bool:
            return self.around.next_moment() is None

    settled = settings(
        max_examples=scaled(20, 200),
        stateful_step_count=25,
        deadline=timedelta(seconds=30),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(Machine, settings=settled)
