"""Small services, one a file; each registers the methods that it answers."""
from importlib import import_module
from pkgutil import iter_modules


def load() -> None:
    """Import every service, so that perf.simdc.call.REGISTRY is complete."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
