import concurrent.futures
import platform
import sys
import sysconfig


def depth(left):
    """How deep it calls itself, through what is no Python."""
    return 1 + max([left - 1], key=depth) if left else 0


def described(numbers):
    """In a thread, which musl gives a small stack."""
    with concurrent.futures.ThreadPoolExecutor() as threads:
        return threads.submit(in_thread, numbers).result()


def in_thread(numbers):
    import markupsafe
    import numpy
    import six

    depth(400)
    return {
        "version": platform.python_version(),
        "abi": sysconfig.get_config_var("SOABI"),
        "program": sys.executable,
        "six": six.__version__,
        "escaped": str(markupsafe.escape("<")),
        "native": markupsafe._speedups.__name__,
        "mean": str(numpy.mean(numbers)),
        "inverse": str(numpy.linalg.inv(numpy.diag(numbers))[-1][-1]),
    }
