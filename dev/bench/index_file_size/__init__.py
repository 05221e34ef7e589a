"""How `index_file_size` decides speed and memory, on one thread of FAISS."""

import os

# FAISS reads it when it is loaded. Indexes are built on a thread of their own, which would not have
# what this one sets later.
os.environ["OMP_NUM_THREADS"] = "1"
