"""What people and machines see: live view, plain lines, tables, JSON. The only place that draws."""
