"""The command line: arguments in, the façade's verbs, text out. The only room that prints."""
