"""What FFmpeg complains of while it decodes: its threads say it nowhere else in time."""

import av
import av.logging

_CONCEALING = "concealing"  # of H.264's decoder, in a mere remark, that it guesses a part of a frame


class Complaints:
    """Listens to FFmpeg, throughout the process, until it is told to stop: the last to listen hears all.

    Whoever stops must have made sure that no thread is about to complain: it needs the interpreter to do so, and
    a decoder that is being closed keeps that while it waits for its threads.
    """

    def __init__(self) -> None:
        self._capture = av.logging.Capture(local=False)
        self._told = self._capture.__enter__()
        self._is_listening = True
        av.logging.set_skip_repeated(False)  # or what it said last, of another film maybe, would go unheard
        av.logging.set_level(av.logging.INFO)

    def stop(self) -> None:
        """Listen no longer."""
        if self._is_listening:
            self._is_listening = False
            av.logging.set_level(None)
            self._capture.__exit__(None, None, None)

    def forget(self) -> None:
        """Begin anew."""
        self._told.clear()

    @property
    def are_any(self) -> bool:
        """Whether anything has gone wrong."""
        return any(level <= av.logging.ERROR or _CONCEALING in text for level, _, text in self._told)
