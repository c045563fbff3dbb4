"""The shared module of the notebooks: one sub-package a part, one module a notebook."""

import os

# Arrow's allocator, read when pyarrow is loaded: it would take memory in pages of 2 MB, and the system clears each of
# them whole, although most of it is never used. That was a sixth of intake (docs/scale.md).
os.environ.setdefault("MIMALLOC_ALLOW_THP", "0")
