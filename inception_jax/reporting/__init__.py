"""What a person sees of a run: metric files, the progress line, tables and figures."""
