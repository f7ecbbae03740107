"""ChirpStack's gRPC API over the stand-in: one module for each service. Only these import grpc."""

import os

# Whoever starts programs from a process with this server in it forks; grpc's own threads must not
# wake up in the child, whose descriptors are closed before it becomes another program.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
