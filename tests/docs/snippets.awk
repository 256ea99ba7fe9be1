# Makes one C++ program of the ```cpp snippets of Markdown pages:
#     awk -f snippets.awk README.md docs/*.md > snippets.cpp
#
# CONTRIBUTING.md says how snippets are marked. Lines keep their page and number for the compiler's messages.

function page_name(path) {
    sub(/.*\//, "", path)
    sub(/\.md$/, "", path)
    gsub(/[^A-Za-z0-9]/, "_", path)
    return path
}
function fail(message) {
    printf "%s:%d: %s\n", FILENAME, FNR, message > "/dev/stderr"
    failed = 1
    exit 1
}
# A line of the page in its place: "file" is at namespace scope, "body" in the page's function.
function put(place, line) { text[page, place] = text[page, place] line "\n" }
function located(place) { put(place, sprintf("#line %d \"%s\"", FNR + 1, FILENAME)) }

FNR == 1 {
    if (inside) fail("a snippet of the page before does not end")
    page = page_name(FILENAME)
    pages[++page_count] = page
    mark = ""
}

# <!-- snippet: file | separate | needs HEADER ... -->, or <!-- snippet: hidden, code up to a line with -->
!inside && /^<!-- snippet: hidden$/ { inside = "hidden"; located("body"); next }
!inside && /^<!-- snippet: .*-->$/ {
    mark = $0
    sub(/^<!-- snippet: /, "", mark)
    sub(/ *-->$/, "", mark)
    if (mark !~ /^(file|separate|needs <[^>]*>( file| separate)?)$/) fail("unknown mark: " mark)
    next
}
!inside && /^```cpp$/ {
    inside = "cpp"
    place = mark ~ /file$/ ? "file" : "body"
    first = 1
    count[page]++
    if (mark ~ /^needs/) {
        header = mark
        sub(/^needs /, "", header)
        sub(/>.*/, ">", header)
        put(place, "#if __has_include(" header ")")
    }
    if (mark ~ /separate$/) put(place, "{")
    located(place)
    next
}
inside == "cpp" && /^```$/ {
    if (whole) put("file", "}  // namespace program_" whole)
    if (mark ~ /separate$/) put(place, "}")
    if (mark ~ /^needs/) put(place, "#endif")
    inside = mark = whole = ""
    next
}
inside == "hidden" && /^-->$/ { inside = ""; next }
# A snippet that begins with an #include is a whole program, or definitions.
inside == "cpp" && first && /^#include/ { whole = ++programs; place = "file"; }
inside == "cpp" && /^#include/ { includes[$0] = 1; if (first) put("file", "namespace program_" whole " {"); first = 0; located("file"); next }
inside == "cpp" && whole && /^int main\(/ {
    sub(/^int main\(/, "int program(")
    put("body", "{ char name[] = \"" page "\"; char* argv[] = {name, nullptr}; int argc = 1; (void)argc; (void)argv;")
    put("body", /int program\(\)/ ? "program_" whole "::program();}" : "program_" whole "::program(argc, argv);}")
    put("file", $0)
    in_main = 1
    next
}
# Only a function of the name main may end without a return.
in_main && /^}$/ { put("file", "    return 0;"); in_main = 0 }
inside == "cpp" { first = 0; put(place, $0); next }
inside == "hidden" { put("body", $0); next }

END {
    if (failed) exit 1
    if (inside) { printf "%s: a snippet does not end\n", FILENAME > "/dev/stderr"; exit 1 }
    print "// Made by tests/docs/snippets.awk."
    print "#include <charrnn/charrnn.hpp>\n#include <cmath>\n#include <iostream>\n#include <string_view>"
    for (line in includes) print line
    print "using namespace charrnn;\nusing namespace std::chrono_literals;"
    for (i = 1; i <= page_count; ++i) {
        page = pages[i]
        if (!count[page]) continue
        printf "namespace page_%s {\n%sstatic void run() {\n%s}\n}\n", page, text[page, "file"], text[page, "body"]
    }
    print "#line 1 \"main\"\nint main(int argc, char** argv) {\n    const std::string_view page = argc > 1 ? argv[1] : \"\";"
    for (i = 1; i <= page_count; ++i)
        if (count[pages[i]]) printf "    if (page == \"%s\") return page_%s::run(), 0;\n", pages[i], pages[i]
    print "    std::cerr << \"no snippets on the page \" << page << '\\n';\n    return 2;\n}"
}
