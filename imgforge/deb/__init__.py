"""Debian's formats: versions, relations, control data and the package file itself.

Pure: bytes and text in, values out. Nothing here opens a file or knows of an archive, a lock or an image.
Source: deb(5), deb-control(5), deb-version(7), deb822(5), Debian Policy chapters 5 and 7.
"""
