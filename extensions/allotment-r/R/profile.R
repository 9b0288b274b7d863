my_profile <- function() {
  show_about_session("whoami")
}

session_status <- function() {
  show_about_session("status")
}

try_proposal <- function(proposal = NULL, options = NULL, end = FALSE) {
  if (!is.null(proposal)) {
    one_option("proposal", proposal)
  }
  if (interactive() && !isTRUE(end)) {
    message("The trial is starting. This can take some minutes.")
  }
  said <- run_command("try", named_options("option", options), if (isTRUE(end)) "--end", "--", proposal)
  show_lines(said, "Trial")
}

show_about_session <- function(command) {
  said <- run_command(command)
  if (any(grepl("propose --running", said, fixed = TRUE))) {
    said <- c(said, "  In R: propose_this_environment()")
  }
  show_lines(said, "My profile")
}
