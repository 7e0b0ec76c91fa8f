"""For the tests of those who build on quantflow: contract suites and fakes."""
