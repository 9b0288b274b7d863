# Questions: dialogs in RStudio, otherwise in the terminal. They have no text of others in them, because RStudio takes
# some HTML in its dialogs.

title_of_dialogs <- "Allotment"

has_dialogs <- function() {
  requireNamespace("rstudioapi", quietly = TRUE) && rstudioapi::isAvailable("1.1.67")
}

# Return the answer to a question, "" for an empty one, NULL where it was cancelled.
ask <- function(question) {
  if (has_dialogs()) {
    answer <- rstudioapi::showPrompt(title_of_dialogs, question, "")
    return(if (!is.null(answer)) trimws(answer))
  }
  trimws(readline(paste0(question, " ")))
}

# Return whether a question was answered with yes. A dialog covers the console: who wants to read first answers there.
confirm <- function(question) {
  if (has_dialogs() && isTRUE(rstudioapi::showQuestion(title_of_dialogs, question, "Propose", "Read first"))) {
    return(TRUE)
  }
  tolower(trimws(readline(paste(question, "[y/N] ")))) %in% c("y", "yes")
}
