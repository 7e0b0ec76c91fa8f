"""The report's parts: markup, scales, charts and sections; each section takes artifacts and returns HTML."""
