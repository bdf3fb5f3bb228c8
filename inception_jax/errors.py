"""The one base of errors that the user can mend."""


class UserError(Exception):
    """A mistake outside this code: a config, an image, a data set, a directory.

    The message is one line that names the culprit and the remedy; the command line prints it without a
    traceback and exits with code 2.

    Attributes:
      leaves_threads: threads are left behind that may never end, so the process must end without waiting for them.
    """

    leaves_threads = False
