"""Runs functions of Python files for the worker that started this interpreter.

A message is a header (number, kind, flags, length of the JSON, count of buffers), the lengths of the buffers, the JSON, the buffers.
"""

import io
import json
import math
import os
import queue
import struct
import sys
import threading

LOAD, CALL, STREAM, NEXT, STOP = range(5)
RESULT, ITEM, RAISED, NOT_ENCODED = range(4)
PLAIN, TAGGED = range(2)
HEADER = struct.Struct("<QBBII")
LENGTH = struct.Struct("<Q")

# Keys that stand for what JSON has not: bytes, by the number of their buffer, numbers that are none, and arrays, by the number of their
# buffer, their item and their shape.
BYTES, FLOAT, ARRAY = "\0bytes", "\0float", "\0array"

# Items of arrays, by their formats: what they are, and how long.
ITEMS = {"?": "b"}
ITEMS.update(dict.fromkeys("bhilq", "i"))
ITEMS.update(dict.fromkeys("BHILQ", "u"))
ITEMS.update(dict.fromkeys("efd", "f"))


class Files:
    """The files, as modules that are made when a function of theirs is first called."""

    def __init__(self):
        self.texts = {}
        self.modules = {}
        self.lock = threading.RLock()

    def function(self, file, name):
        with self.lock:
            module = self.modules.get(file)
            if module is None:
                module = self.modules[file] = self.load(file, self.texts[file])
        return getattr(module, name)

    @staticmethod
    def load(file, text):
        import importlib.util
        import linecache
        import types

        name = os.path.splitext(os.path.basename(file))[0]
        if name in sys.modules or not name.isidentifier() or importlib.util.find_spec(name):
            name = "_image_runtime_" + name
        module = types.ModuleType(name)
        module.__file__ = file
        # Tracebacks show its lines, although the container has no such file.
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
        sys.modules[name] = module
        try:
            exec(compile(text, file, "exec"), module.__dict__)
        except BaseException:
            del sys.modules[name]
            raise
        return module


class Encoder:
    """Writes one value as JSON and buffers."""

    def __init__(self):
        self.buffers = []

    def encode(self, value):
        try:
            text = json.dumps(value, default=self.other, allow_nan=False, separators=(",", ":"))
        except ValueError as error:
            if "JSON compliant" not in str(error):
                raise
            self.buffers = []
            text = json.dumps(self.tagged(value), separators=(",", ":"))
            return TAGGED, text.encode()
        return (TAGGED if self.buffers else PLAIN), text.encode()

    def other(self, value):
        """What stands for a value that JSON has not."""
        if isinstance(value, (bytes, bytearray)) or isinstance(value, memoryview) and value.itemsize == 1:
            return {BYTES: self.buffer(memoryview(value))}
        # Arrays of numpy and of whatever else lies in memory as they do.
        array = self.array(value)
        if array is not None:
            return array
        # Numbers of numpy, tensors, series.
        if hasattr(value, "tolist"):
            return value.tolist()
        if isinstance(value, (set, frozenset)):
            return list(value)
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if hasattr(type(value), "__dataclass_fields__"):
            return {name: getattr(value, name) for name in value.__dataclass_fields__}
        if hasattr(value, "isoformat"):
            return value.isoformat()
        if "enum" in sys.modules and isinstance(value, sys.modules["enum"].Enum):
            return value.value
        said = "a value of type `%s` cannot be sent" % type(value).__name__
        if hasattr(value, "__next__"):
            said += "\n  help: return a list, or say in Rust that the result is `impl Iterator<Item = T>`"
        raise TypeError(said)

    def array(self, value):
        """What stands for an array of numbers, if it is one."""
        try:
            view = memoryview(value)
        except (TypeError, ValueError, BufferError):
            return None
        native = "@=<" if sys.byteorder == "little" else "@=>"
        kind = ITEMS.get(view.format.lstrip(native))
        if kind is None or view.ndim == 0:
            return None
        return {ARRAY: [self.buffer(view), kind + str(view.itemsize), list(view.shape)]}

    def buffer(self, view):
        """The number of a buffer that holds the bytes of a view, in the order of C."""
        try:
            view = view.cast("B")
        except (TypeError, ValueError, NotImplementedError):
            view = view.tobytes()
        self.buffers.append(view)
        return len(self.buffers) - 1

    def tagged(self, value):
        if isinstance(value, float) and not math.isfinite(value):
            return {FLOAT: str(float(value))}
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, dict):
            return {key: self.tagged(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.tagged(item) for item in value]
        other = self.other(value)
        if isinstance(other, dict) and (BYTES in other or ARRAY in other):
            return other
        return self.tagged(other)


class Driver:
    def __init__(self):
        self.socket = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self.reader = io.open(self.socket, "rb", buffering=1 << 16, closefd=False)
        self.writing = threading.Lock()
        self.files = Files()
        self.calls = queue.SimpleQueue()
        self.idle = threading.Semaphore(0)
        self.streams = {}
        self.local = threading.local()

    # What is heard.

    def read(self):
        """Hears what the worker says until it is gone. Calls go to whoever is idle."""
        while True:
            header = self.reader.read(HEADER.size)
            if len(header) < HEADER.size:
                os._exit(0)
            number, kind, _, length, count = HEADER.unpack(header)
            lengths = [LENGTH.unpack(self.reader.read(LENGTH.size))[0] for _ in range(count)]
            text = self.reader.read(length)
            buffers = [self.reader.read(length) for length in lengths]
            if kind == LOAD:
                loaded = json.loads(text)
                self.files.texts[loaded["file"]] = loaded["text"]
            elif kind in (CALL, STREAM):
                if kind == STREAM:
                    self.streams[number] = queue.SimpleQueue()
                if not self.idle.acquire(blocking=False):
                    threading.Thread(target=self.work, daemon=True).start()
                self.calls.put((number, kind, text, buffers))
            elif number in self.streams:
                self.streams[number].put(kind)

    def work(self):
        while True:
            self.run(*self.calls.get())
            self.idle.release()

    # What is said.

    def send(self, number, kind, flags, text, buffers=()):
        parts = [HEADER.pack(number, kind, flags, len(text), len(buffers))]
        parts.extend(LENGTH.pack(len(buffer)) for buffer in buffers)
        parts.append(text)
        parts = [b"".join(parts)]
        parts.extend(buffers)
        # What was printed comes before what it led to.
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                pass
        with self.writing:
            for part in parts:
                rest = memoryview(part)
                while len(rest):
                    rest = rest[os.write(self.socket, rest):]

    def give(self, number, kind, value):
        encoder = Encoder()
        try:
            flags, text = encoder.encode(value)
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            self.send(number, NOT_ENCODED, PLAIN, str(error).encode())
            return False
        self.send(number, kind, flags, text, encoder.buffers)
        return True

    # What is run.

    def run(self, number, kind, text, buffers):
        try:
            call = json.loads(text, object_hook=lambda found: restored(found, buffers) if buffers else found)
            function = self.files.function(call["file"], call["function"])
            result = function(*call["arguments"])
            del call, buffers
            if hasattr(result, "__await__"):
                result = self.wait(result)
            if kind == CALL:
                self.give(number, RESULT, result)
            elif self.give_all(number, result):
                self.give(number, RESULT, None)
        except SystemExit as error:
            leave(error.code)
        except BaseException as error:
            self.send(number, RAISED, PLAIN, told(error).encode("utf-8", "replace"))
        finally:
            self.streams.pop(number, None)

    def give_all(self, number, items):
        wanted = self.streams[number]
        if hasattr(items, "__aiter__"):
            items = self.waited(items)
        items = iter(items)
        try:
            for item in items:
                if not self.give(number, ITEM, item):
                    return False
                if wanted.get() == STOP:
                    return True
        finally:
            if hasattr(items, "close"):
                items.close()
        return True

    def waited(self, items):
        items = items.__aiter__()
        try:
            while True:
                try:
                    item = self.wait(items.__anext__())
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if hasattr(items, "aclose"):
                self.wait(items.aclose())

    def wait(self, awaitable):
        """Runs a coroutine, in a loop that this thread keeps."""
        import asyncio

        async def whole():
            return await awaitable

        if not hasattr(self.local, "loop"):
            self.local.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.local.loop)
        return self.local.loop.run_until_complete(whole())


def restored(found, buffers):
    """A dictionary, or the bytes it stands for."""
    if len(found) == 1 and BYTES in found:
        return buffers[found[BYTES]]
    return found


def told(error):
    """An exception: what it says first, then where it comes from, without the frames of this file."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    said = "".join(traceback.format_exception_only(type(error), error)).rstrip()
    lines = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
    return said if isinstance(error, SyntaxError) else said + "\n" + lines


def leave(code):
    """Ends the interpreter as `sys.exit` would."""
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
    os._exit((code or 0) & 0xFF)


__file__ = "<string>"
for stream in (sys.stdout, sys.stderr):
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
# As much as glibc gives. That of musl is too small to import numpy with.
threading.stack_size(8 << 20)
DRIVER = Driver()
# This thread has the first call, however early that comes: some libraries work in the main thread only.
DRIVER.idle.release()
threading.Thread(target=DRIVER.read, daemon=True).start()
DRIVER.work()
