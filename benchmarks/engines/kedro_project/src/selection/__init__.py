"""The six stages as a Kedro project: a node per stage, what goes between them in the catalog."""
