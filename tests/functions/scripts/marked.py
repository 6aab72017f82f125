"""As an editor of another system saves it: with a mark, and with other ends of lines."""

def marked(number):
    return number * \
        2
