"""What the gate answers itself, at its own host and at the admin address.

    application    the table of routes, and what an answer is;  caller  who calls
    pages, html, templates/    the pages in a browser: signing in, a kubeconfig, devices
    signing_in     from the provider's door to somebody who is known;  attempts  how often one address may begin
    clients        the endpoints of ``kgate login``;  redemption  a session for what it shows there
    whoami, clusters, requests    what the command line asks
    scim, scim_dialects    the company's directory pushes;  notices  issuers tell;  facts, devices  others do
    admin, workers    health and metrics, of one process and of several

A request comes whole, and its answer goes out whole (``exchange.local``).
"""
