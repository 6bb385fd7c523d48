-- 30 request fields, as a browser behind a few gateways sends them.
wrk.headers["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
wrk.headers["Accept-Language"] = "en-US,en;q=0.5"
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
for n = 1, 26 do
  wrk.headers["X-Request-Field-" .. n] = "some value of ordinary length " .. n
end
