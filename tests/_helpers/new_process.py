"""Questions to a new process of ours."""

from cotoolkit.core.processes.fork_server import process_context


def answer(mouth, question):
    mouth.send(question())


LOCAL = "cotoolkit.studies.launchers.local"
"""What the first of all studies in this process has imported in the server."""


def told(question):
    """What a new process answers."""
    context = process_context(LOCAL)
    ear, mouth = context.Pipe(duplex=False)
    process = context.Process(target=answer, args=(mouth, question), daemon=True)
    process.start()
    mouth.close()
    assert ear.poll(60)
    return ear.recv()
