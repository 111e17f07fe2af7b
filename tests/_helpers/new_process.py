"""Questions to a new process of ours."""

from cotoolkit.core.processes.fork_server import process_context


def answer(mouth, question):
    mouth.send(question())


LOCAL = "cotoolkit.studies.launchers.local"
"""What the first of all studies in this process has imported in the server."""


def told(question, module=LOCAL):
    """What a new process answers, which needs a module of ours."""
    context = process_context(module)
    ear, mouth = context.Pipe(duplex=False)
    process = context.Process(target=answer, args=(mouth, question), daemon=True)
    process.start()
    mouth.close()
    assert ear.poll(60)
    return ear.recv()
