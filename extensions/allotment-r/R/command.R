# Runs `allotment-session`, the command that every session has. It decides what is said and sent, and removes control
# characters from the text of others; here its lines are printed as they are.

# Return the lines that the command prints. Stops with an `allotment_error` where it does not succeed.
run_command <- function(...) {
  arguments <- c(...)
  program <- Sys.which("allotment-session")
  if (!nzchar(program)) {
    refuse("The command allotment-session is not installed here.",
           "  What helps: start the session from a profile whose image has it, or ask whoever builds the image.")
  }
  notes <- tempfile("allotment-notes-")
  on.exit(unlink(notes))
  # With R's own path of libraries, Python would load others than it was built with.
  variables <- c("LD_LIBRARY_PATH=", "PYTHONIOENCODING=utf-8:backslashreplace")
  # A status other than 0 is a warning of R, too.
  said <- suppressWarnings(system2(program, shQuote(arguments), stdout = TRUE, stderr = notes, stdin = nullfile(),
                                   env = variables))
  status <- attr(said, "status")
  said <- as.character(said)
  Encoding(said) <- "UTF-8"
  if (is.null(status)) {
    return(said)
  }
  writeLines(said)
  noted <- if (file.exists(notes)) readLines(notes, encoding = "UTF-8", warn = FALSE)
  noted <- noted[!startsWith(noted, "\u2026")] # how long it waited
  if (!length(noted)) {
    noted <- "Nothing was proposed: what is printed above comes first. See ?propose_this_environment."
  }
  refuse(noted, status = status)
}

# Stop with lines of text for the user.
refuse <- function(..., status = 2L) {
  stop(structure(list(message = paste(c(...), collapse = "\n"), call = NULL, status = status),
                 class = c("allotment_error", "error", "condition")))
}

# Print lines; many of them in a pager, because the console of RStudio keeps the last thousand.
show_lines <- function(lines, title) {
  if (!interactive() || length(lines) <= 500) {
    writeLines(lines)
    return(invisible(lines))
  }
  file <- tempfile("allotment-", fileext = ".txt")
  writeLines(lines, file, useBytes = TRUE)
  file.show(file, title = title, delete.file = TRUE, encoding = "UTF-8")
  invisible(lines)
}

# Return `--option=name=value` for each element of a named character vector.
named_options <- function(option, values) {
  if (is.null(values)) {
    return(character())
  }
  if (!is.character(values) || is.null(names(values)) || !all(nzchar(names(values)))) {
    refuse(sprintf("'%s' is no named character vector, such as c(memory.limit = \"16 GiB\").", option))
  }
  paste0("--", option, "=", names(values), "=", values)
}

# Return `--option=value`, or nothing where there is no value.
one_option <- function(option, value) {
  if (is.null(value)) {
    return(character())
  }
  if (!is.character(value) || length(value) != 1 || is.na(value)) {
    refuse(sprintf("'%s' is no single text.", option))
  }
  paste0("--", option, "=", value)
}
