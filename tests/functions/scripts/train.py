"""What the tests of Python functions call."""

import asyncio
import dataclasses
import os
import signal
import sys
import threading
import time

print("loading train.py")
STARTED = time.monotonic_ns()
CALLS = 0


def train(epochs: int, rate=0.5) -> float:
    return rate**epochs


def warm():
    global CALLS
    CALLS += 1
    return [os.getpid(), CALLS]


def same(value):
    return value


def reverse(data):
    assert isinstance(data, bytes), type(data)
    return {"data": bytes(reversed(data)), "length": len(data)}


@dataclasses.dataclass
class Point:
    x: float
    y: float


def point(x, y):
    return Point(x, y)


def not_a_number():
    return {"loss": float("nan"), "best": float("-inf"), "steps": [1.5]}


def fail(why):
    def inner():
        raise ValueError(why)

    try:
        inner()
    except ValueError as error:
        raise RuntimeError("training failed") from error


def cannot_cross():
    return {"lock": threading.Lock()}


def leave(code):
    print("leaving")
    sys.exit(code)


def crash():
    # To this very thread: another one would leave it time to return.
    signal.raise_signal(signal.SIGSEGV)


def talk(words):
    for word in words:
        print(word)
    print("to stderr", file=sys.stderr)


async def later(seconds):
    await asyncio.sleep(seconds)
    return seconds


def count(to):
    try:
        for number in range(to):
            yield number
    finally:
        print("counted")


async def count_later(to):
    for number in range(to):
        await asyncio.sleep(0)
        yield number


def fail_after(number):
    yield from range(number)
    raise KeyError("no more")


BARRIER = threading.Barrier(4, timeout=20)


def meet():
    BARRIER.wait()
    return threading.current_thread().name


def sleep():
    time.sleep(3600)


CLOSED = threading.Event()


def turn():
    try:
        yield 1
        yield "two"
    finally:
        CLOSED.set()


def turn_is_closed():
    return CLOSED.wait(timeout=20)


def leave_a_child():
    if os.fork() == 0:
        time.sleep(3600)
    os._exit(4)
