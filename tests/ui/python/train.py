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
