"""The command line: parse, load config, call a flow, hand the result to ``ui``."""
