"""Bytes from elsewhere: one downloader for http(s) and file URLs, capped, resumed and verified."""
