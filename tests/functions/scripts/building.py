def write_in_python():
    with open("/by-python", "w") as file:
        file.write("python")
