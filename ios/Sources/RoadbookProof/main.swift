// A phone for a test in another language: a program that does with a book what it reads from its input, through the public
// Swift API only. What it understands: README.md in the folder `ios`.

import Foundation

/// Reads commands until `quit` or the end of the input; each gets one line of answer.
func serve() async {
    var proof = Proof()
    while let line = readLine() {
        print(await proof.answer(line))
        fflush(nil)
        if line == "quit" { break }
    }
    await proof.close()
}

await serve()
