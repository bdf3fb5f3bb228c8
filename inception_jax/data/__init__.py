"""Records in, batches out: sources, decoding, crops, colour distortions and the host pipeline."""
