// The same as result_json.py for telegram-chat-parser of npm: node result_json.js MODULE PATH
const fs = require("fs");
const { TelegramChat } = require(process.argv[2]);
for (const one of new TelegramChat(fs.readFileSync(process.argv[3], "utf8")).messages)
  if (one.isMessage) console.log(JSON.stringify([one.from ? one.from.name : null, one.data.date, one.text()]));
