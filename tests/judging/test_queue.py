import threading
import time

import pytest

from cytosae_core.errors import DatabaseBusyError
from cytosae_core.judging.queue import FairQueue


def waiting(queue):
    return len(queue._waiting)


def start_in_order(queue, n, work):
    """Threads that ask for the queue one after the other, while it is held."""
    threads = []
    for number in range(n):
        thread = threading.Thread(target=work, args=(number,))
        thread.start()
        while waiting(queue) <= number:
            time.sleep(0.001)
        threads.append(thread)
    return threads


def test_turns_come_in_the_order_in_which_they_were_asked_for():
    queue, order = FairQueue(), []

    def work(number):
        with queue.turn(10):
            order.append(number)

    with queue.turn(1):
        threads = start_in_order(queue, 30, work)
    for thread in threads:
        thread.join()
    assert order == list(range(30))


def test_never_two_at_once_and_nobody_is_left_out():
    queue, inside, most, done = FairQueue(), [], [], []

    def work(number):
        for _ in range(50):
            with queue.turn(10):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)
        done.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert sorted(done) == list(range(8))


def test_who_waits_too_long_is_told_so_and_holds_nobody_up():
    queue = FairQueue()
    told = r"waited 0\.05 s for others of this app.*nothing of it"
    with queue.turn(1), pytest.raises(DatabaseBusyError, match=told), queue.turn(0.05):
        pass
    with queue.turn(0.05):
        pass


def test_an_error_inside_hands_the_turn_on():
    queue = FairQueue()
    with pytest.raises(ZeroDivisionError), queue.turn(1):
        raise ZeroDivisionError
    with queue.turn(0.05):
        pass
