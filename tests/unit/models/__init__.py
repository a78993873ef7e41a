"""Small state machines of one node, each of one kind of thing: argv in, the state after it.

They are written from what the real tools do (manual pages, recordings), not from the code
under test, and only as far as a plan can reach: a step that they do not know fails the test.
"""
