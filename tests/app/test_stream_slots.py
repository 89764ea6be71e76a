from fer.app.server.limits import GONE_SECONDS
from fer.app.server.stream_slots import StreamSlots


def test_a_slot_is_kept_until_its_session_ends_or_times_out():
    slots = StreamSlots(1)
    assert slots.acquire("anna", 0)
    assert not slots.acquire("ben", 1)
    assert slots.acquire("anna", 2)
    assert not slots.acquire("ben", 2 + GONE_SECONDS - 0.1)
    assert slots.acquire("ben", 2 + GONE_SECONDS)
    slots.release("ben")
    assert slots.acquire("carla", 2 + GONE_SECONDS)
