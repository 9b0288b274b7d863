propose_this_environment <- function(settings = NULL, reason = NULL, name = NULL, accept = NULL, yes = FALSE) {
  yes <- isTRUE(yes)
  asks <- interactive() && !yes
  named_options("settings", settings)
  if (asks && length(settings) && is.null(reason)) {
    reason <- ask("Why is it needed? The reviewers read it.")
    if (is.null(reason) || !nzchar(reason)) {
      return(nothing_proposed())
    }
  }
  request <- tempfile("allotment-request-", fileext = ".json")
  on.exit(unlink(request))
  said <- run_command("propose", "--running", paste0("--save=", request), named_options("set", settings),
                      named_options("accept", accept), one_option("name", name), one_option("reason", reason))
  show_lines(said, "All that would be sent")
  if (!file.exists(request)) {
    return(if (asks && !length(settings)) propose_more_memory(reason, name, accept) else invisible(FALSE))
  }
  if (!asks && !yes) {
    writeLines("Nothing was sent: propose_this_environment(yes = TRUE) proposes without asking.")
    return(invisible(FALSE))
  }
  if (asks && is.null(reason)) {
    reason <- ask("Another reason than the one that is shown? Leave it empty to keep that one.")
    if (is.null(reason)) {
      return(nothing_proposed())
    }
  }
  if (asks && !confirm("Propose this? All that would be sent has been shown.")) {
    return(nothing_proposed())
  }
  # Exactly what was shown.
  sent <- run_command("propose", paste0("--send=", request), "--yes",
                      if (!is.null(reason) && nzchar(reason)) one_option("reason", reason))
  show_lines(sent, "Proposed")
  invisible(TRUE)
}

# Ask for a limit, where nothing that was observed suggests one.
propose_more_memory <- function(reason, name, accept) {
  limit <- ask("Which limit of memory do you need, such as 16 GiB? Leave it empty to propose nothing.")
  if (is.null(limit) || !nzchar(limit)) {
    return(nothing_proposed())
  }
  propose_this_environment(c(memory.limit = limit), reason, name, accept)
}

nothing_proposed <- function() {
  writeLines("Nothing was proposed.")
  invisible(FALSE)
}
