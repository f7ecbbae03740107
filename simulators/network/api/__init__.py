"""ChirpStack's gRPC API upon the stand-in's core. Nothing else here imports grpc."""
