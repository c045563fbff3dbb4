"""Start an ordinary kernel, let it run one line, end it: python -m tests.benchmarks.kernel."""

from __future__ import annotations

from jupyter_client.manager import start_new_kernel

if __name__ == "__main__":
    manager, client = start_new_kernel(kernel_name="python3")
    client.execute_interactive("1 + 1", timeout=120)
    client.stop_channels()
    manager.shutdown_kernel(now=True)
