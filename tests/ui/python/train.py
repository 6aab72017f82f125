"""A file that the tests of the macro's messages name."""


def train(epochs, _name="x"):
    return epochs


async def anything(in_, more=None):
    pass


def items():
    yield 1


def items_later(count, *, scale=1):
    yield from range(count)


def needs(epochs, rate, *, seed):
    pass


class Model:
    def predict(self):
        pass


def ordered(a, b: "int, or more", c=lambda x, y: x):
    pass


def by_name(a, *, b=1):
    pass


@injected
def decorated(session, value):
    pass


try:
    from fast import quick
except ImportError:

    def slow(value):
        pass


TEXT = """
def in_text(): pass
"""
