"""Charts as inline SVG: no script, no fonts, colours from the page's CSS variables, values on hover."""
