"""Read YAML into models, or say which line is wrong and what to write instead."""
